// 日本語.
export default {
  page: { title: "コンシェルジュ", panel: "テスター", map: "地図" },

  // ── the head unit ────────────────────────────────────────────────────────────────────────────────────────────────
  unit: {
    lang: "ja", name: "ヘッドユニット", views: "表示の切り替え", talk: "会話", replies: "返事の候補", alerts: "お知らせ", trip: "目的地",
    hello: "ご用件をどうぞ。", examples: ["近くの駐車場を探して", "渋谷でイタリアン", "少し寒い"], send: "送る", say: "エージェントに文字で伝える", placeholder: "近くの駐車場を探して",
    connecting: "つないでいます…", lost: "接続が切れました。つなぎ直しています…",
    tabs: { talk: "会話", climate: "空調", audio: "オーディオ", notices: "お知らせ", settings: "設定" },
    hours: "時間", minutes: "分", arrival: "{time} 着",
    no_contract: "契約なし", no_connection: "未接続", lamp: "警告灯", fuel_low: "燃料残りわずか", door_open: "半ドア", tyre_low: "タイヤ空気圧", screen_on: "画面をつける",

    phases: {
      off: "ボタンを押すと、声で話せます", starting: "音声を準備しています…", ready: "「{phrase}」と呼んでください", ready_button: "ボタンを押して話してください",
      listening: "聞いています", thinking: "考えています", speaking: "話しています", operator: "オペレーターと話せます",
    },
    orb: {
      off: "音声を始めて話す", starting: "音声を準備中", ready: "話す", listening: "話し終える", thinking: "考え中。もう一度話す", speaking: "止めて話す", operator: "オペレーターに話す", offline: "接続が切れています",
    },
    problems: {
      denied: "マイクが許可されていません。文字でどうぞ。", no_device: "マイクが見つかりません。文字でどうぞ。", busy: "マイクがほかで使われています。文字でどうぞ。",
      unplugged: "マイクが外れました。文字でどうぞ。", insecure: "この接続ではマイクを使えません（localhost か https が必要です）。文字でどうぞ。",
      no_model: "音声のモデルがまだ入っていません。文字でどうぞ。", too_many: "ほかの画面が音声を使っています。文字でどうぞ。", failed: "音声を始められませんでした。文字でどうぞ。",
    },

    back: "エージェントに戻る", give_up: "呼び出しをやめる", accept: "受け取る", refuse: "受け取らない", close: "閉じる",
    with_operator: "オペレーターと会話中", calling: "オーナーズデスクを呼び出しています",
    pushed: { destination: "オペレーターから目的地", place: "オペレーターから場所", phone: "オペレーターから電話番号", notice: "オペレーターからお知らせ", news: "オペレーターからニュース", weather: "オペレーターから天気" },
    no_notices: "お知らせはありません。",
    answers: {
      yes: { label: "はい", say: "はい" }, no: { label: "いいえ", say: "いいえ" }, detail: { label: "詳しく", say: "詳しく" }, later: { label: "あとで", say: "あとで" },
      enough: { label: "もういい", say: "もういい" }, other_way: { label: "他の道", say: "他の道はある？" }, go_there: { label: "目的地に", say: "そこを目的地に" },
    },

    pick: "{n}番目", news_more: "{n}番目を詳しく", demo: "デモ", all_day: "24時間", open_until: "{time}まで", closed: "営業時間外",
    parking_free: "無料", parking_paid: "有料", parking_hourly: "{fee}/時", vacancy: { vacant: "空車", crowded: "混雑", full: "満車" },
    price: { low: "安め", middle: "普通", high: "高め" }, chance: "☂ {n}%", issued: "{time} 発表", ahead: "{distance} 先", via: "{road} 経由", learnt: "覚えていること",
    sky: { clear: "晴れ", partly_cloudy: "晴れ時々くもり", cloudy: "くもり", fog: "霧", drizzle: "霧雨", rain: "雨", heavy_rain: "大雨", sleet: "みぞれ", snow: "雪", heavy_snow: "大雪", thunder: "雷雨" },
    traffic: { jam: "渋滞", accident: "事故", closure: "通行止め", restriction: "規制", roadworks: "工事" },

    climate: {
      zones: { driver: "運転席", passenger: "助手席", rear_driver: "後席 運転席側", rear_passenger: "後席 助手席側" }, of: "{zone}の{what}",
      temperature: "温度", fan: "風量", seat: "シート", heat: "ヒーター", cool: "送風", seat_off: "シート オフ", less: "下げる", more: "上げる", off: "オフ",
      power: "電源", auto: "オート", ac: "A/C", recirculation: "内気循環", defrost_front: "前の曇り取り", defrost_rear: "後ろの曇り取り", wheel: "ハンドルヒーター", stages: ["オフ", "弱", "中", "強"],
    },
    audio: {
      previous: "前へ", next: "次へ", play: "再生", pause: "一時停止", mute: "消音", volume: "音量", quieter: "音量を下げる", louder: "音量を上げる", level: "音量 {n}", source: "音源",
      sources: { FM: "FM", AM: "AM", BLUETOOTH: "Bluetooth", USB: "USB", INTERNET: "配信", DAB: "DAB", CD: "CD", TV: "テレビ" },
    },
    settings: {
      headings: { car: "車", voice: "音声と画面", driver: "ドライバー", plus: "エージェント＋", learnt: "覚えていること", privacy: "プライバシー" },
      language: "ことば", microphone: "マイク", look: "画面の明暗", looks: { auto: "自動", day: "昼", night: "夜" }, when_stopped: "ほかの設定は停車中に変えられます。",
      wake_word: "呼びかけの言葉", keep: "決める", usual: "「{phrase}」に戻す", guest: "ゲスト", guest_learns_nothing: "ゲストの運転は何も記録しません。",
      learns: "運転から学ぶ", often: "お知らせの頻度", frequencies: { off: "なし", low: "少なめ", normal: "普通", high: "多め" },
      erase: "消す", really: "本当に消す", nothing_learnt: "まだ何も覚えていません。", positions_kept: "走った道すじは{n}日で消えます。",
      recorded: "録音が{count}件（{seconds}秒）あります。", recorded_none: "録音はまだありません。", recordings_off: "話した声は録音していません。",
      erase_recordings: "録音を消す", erase_all: "エージェント＋の初期化", forget: "この会話を消す",
    },
  },

  // ── the map ──────────────────────────────────────────────────────────────────────────────────────────────────────
  map: {
    controls: "地図の操作", in: "拡大", out: "縮小", compass: "進行方向が上・北が上", overview: "全体を見る", follow: "車を追う",
    speeds: "走らせる速さ", stand: "停車", times: "{factor}倍", drive: "{factor}倍の速さで走る",
    km: "{n} km", m: "{n} m", car: "自車。動かせます。",
    goHere: "ここへ行く", carHere: "ここに車を置く",
    nth: ["一番目", "二番目", "三番目", "四番目", "五番目", "六番目", "七番目", "八番目", "九番目", "十番目"], takeIt: "そこにする",
    sameTime: "同じくらい", later: "+{n}分", sooner: "−{n}分", takeRoute: "{name} {more}、このルートにする", delay: "{n}分の遅れ", plus: "+{n}分",
    kinds: { accident: "事故", closure: "通行止め", restriction: "規制", roadworks: "工事", jam: "渋滞" },
    noMap: "地図が入っていません。", oldMap: "古い地図なので、道だけを描いています。", flat: "この画面では立体の地図を描けないので、簡単な図にしています。",
  },

  // ── the tester's panel ───────────────────────────────────────────────────────────────────────────────────────────
  panel: {
    name: "テスターのパネル", tabs: { chat: "会話", world: "世界", events: "できごと" },
    keys: "Alt+1〜3 切り替え ・ Alt+0 たたむ ・ Alt+R 記録",
    lines: { open: "つながっています（{session}）", connecting: "つないでいます…", lost: "切れています。{seconds}秒後につなぎ直します" },
    retry: "いますぐつなぐ",
    chat: "この会話", chatPlaceholder: "文字で話す（走行中も）", say: "送る", forget: "会話を忘れる",
    lastTurn: "直前のやりとり", noTurn: "まだありません", turnTook: "応答まで", voiceTook: "話し終わりから声まで",
    stages: {
      cleaning: "整形", safety: "緊急の確認", waiting: "待ち", understanding: "理解", policy: "方針", action: "実行", backend: "問い合わせ先", store: "保存", other: "その他",
      end_of_speech: "話し終わりの判断", recognition: "認識", dialogue: "対話", first_audio: "最初の音",
    },
    events: "できごと", filter: "表示する種類", clear: "消す", eventCount: "{shown}件を表示（全{all}件）",
    record: {
      start: "記録する", stop: "記録を終える", name: "記録の名前", count: "発話{turns}・操作{controls}", download: "保存し直す",
      about: "会話を新しく始め、シナリオファイルとして記録します。言葉はこの画面にだけ残ります", gone: "記録は失われました（再起動など）。",
    },
    world: {
      groups: { line: "通信と契約", time: "時刻", road: "道路", weather: "天気", car: "車", parks: "駐車場の空き" },
      clock: "車の時計", setTime: "時刻", set: "合わせる", hour: "＋1時間", day: "＋1日", real: "いまの時刻", rate: "速さ", pass: "5分進める",
      rates: { 0: "停止", 1: "等速", 10: "10倍", 60: "60倍" },
      where: "場所", everywhere: "全国", weather: "天気", here: "{prefecture}はいま{sky}、{degrees}度",
      scenarios: { "": "自然のまま", sunny: "晴れ", rain: "雨", snow: "雪", typhoon: "台風" },
      skies: { clear: "晴れ", partly: "晴れ時々くもり", cloudy: "くもり", rain: "雨", snow: "雪", thunder: "雷雨" },
      ahead: "前方 km", kinds: { jam: "渋滞", accident: "事故", closure: "通行止め", restriction: "規制", roadworks: "工事" },
      delay: "＋{minutes}分", clear: "取り除く", clearAll: "すべて取り除く", noRoute: "目的地を設定すると、ルート上に置けます。", routeAhead: "ルートの残り {km} km",
      vacancies: { "": "自然のまま", vacant: "空車", crowded: "混雑", full: "満車" }, noParks: "駐車場を探すと、ここに並びます。",
      networkLost: "通信圏外", contractCancelled: "契約なし", newsOn: "ニュース配信", equipment: "装備",
      equipments: { navi: "ナビ付き", display_audio: "ディスプレイオーディオ" },
      lamps: "警告灯", doors: "開いている", seats: "同乗者", tyres: "空気が抜けている", fuel: "燃料",
      resetAll: "すべて元に戻す", lineLost: "接続が切れているので送れません。",
      refusals: {
        bad_value: "その値にはできません。", unknown: "この操作はありません。", no_route: "その距離まで案内中のルートがありません。",
        not_there: "もうありません。", too_many: "これ以上は増やせません。", unavailable: "いまは準備中です。少し待ってください。",
      },
    },
  },
};
