// 日本語.
export default {
  page: { title: "コンシェルジュ", panel: "テスター", map: "地図" },

  // ── the head unit ────────────────────────────────────────────────────────────────────────────────────────────────
  unit: {
    lang: "ja", name: "ヘッドユニット", talk: "会話", send: "送る", placeholder: "近くの駐車場を探して", language: "ことば",
    connecting: "つないでいます…", lost: "接続が切れました。つなぎ直しています…",
    back: "エージェントに戻る", accept: "受け取る", refuse: "受け取らない",
  },

  // ── the map ──────────────────────────────────────────────────────────────────────────────────────────────────────
  map: {},

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
