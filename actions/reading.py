"""What a message means where it stands: after a list, a setting of the car, a forecast, the news, a destination just set.

Understanding reads a sentence nearly by itself. Some sentences mean something only together with what came before ("the
second one", 「明日は？」, 「もうちょっと」), and some are taken for chatter although they answer the question just asked. `read`
says as which intent a turn is to be answered. It never turns chatter into an action without an unmistakable value: a number
of the list, a quality that picks one, a condition, and next to nothing besides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from actions.narrowing import NEARBY, OPEN_CONTEXTS, PLACES_OF_WORLD, SIMPLE
from actions.skill import Entity, Turn

ACTION_OF: Mapping[str, str] = MappingProxyType(
    {
        "search_place": "action_search", "navigate_to": "action_navigate", "set_destination": "action_set_destination",
        "add_waypoint": "action_add_waypoint", "narrow": "action_narrow", "choose_option": "action_choose",
        "next_page": "action_next_page", "undo_narrow": "action_undo", "ask_place": "action_ask_place",
        "ask_eta": "action_ask_eta", "ask_weather": "action_ask_weather", "ask_news": "action_ask_news",
        "audio_volume": "action_audio_volume", "audio_track": "action_audio_track", "display_control": "action_display",
        "climate": "action_climate", "affirm": "action_affirm", "deny": "action_deny",
        "nlu_fallback": "action_fallback", "cancel": "action_cancel", "schedule": "action_schedule",
        "handoff": "action_handoff", "notice_feedback": "action_notice_feedback",
    }
)  # fmt: skip
"""intents a turn can be read as, and their actions: the same as in nlu_data/rules"""

CHATTER = frozenset({"human_talk", "out_of_scope", "chitchat", "nlu_fallback", "schedule"})
SEARCHING = frozenset({"search_place", "narrow", "choose_option", "next_page", "undo_narrow", "ask_place"})
CONTROL = frozenset({"affirm", "deny", "cancel", "go_back", "repeat", "help", "thanks", "greet", "goodbye"})
PLACES = frozenset({"prefecture", "city", "area", "station", "place_name"})
CONDITION_TYPES = frozenset({"kind", "genre", "budget", "sort", "drop", *SIMPLE, *PLACES_OF_WORLD})
POINTERS = ("ordinal", "pick")
LISTING = frozenset({"offers_list", "asks_choice", "asks_condition"})

QUESTION = re.compile(
    r"[?？]|(ます|です|の|ん|った|る|い)か(な|ね|しら)?[。\s]*$|どう|どん|何|なん|いつ|いくら|いくつ|どこ|どれくらい|どのくらい|"
    r"教えて|知りたい|聞かせて|詳し|"
    r"\b(what|when|how|where|tell|who|which)\b|(^|[,.;!]\s*)((and|so|but|oh|ok(ay)?|well) )?(is|are|does|do|can|could)\b|"
    r"\b(is|are|does|do|can|could|has|have) (it|they|there|this|we|i|you|the|that|either|any|one)\b",
    re.IGNORECASE,
)
TAKING = re.compile(
    r"で(いい|ええ|お願い|頼|たの|行こ|いこ|決)|に(する|します|しよ|して|決)|がいい|の気分|"
    r"\b(\w+ it is|(is|'s|will be|would be|sounds?|looks?) (just )?(fine|good|great|perfect|ok(ay)?|lovely)|works for (me|us)|will do|i'?ll (take|have|go)|let'?s (take|go)|go (for|with)|take the|i want|i'?d like|choose|pick)\b",
    re.IGNORECASE,
)
CLOCK = re.compile(
    r"^\W*(いま|今|現在)?(って|は|、|の)?\s*(何時|なんじ|時間|時刻)|\bwhat(('| i)?s)? (the )?time\b|\bthe time\b",
    re.IGNORECASE,
)
CALENDAR = re.compile(
    r"今日(は|って)?\s*(何日|何曜|なんにち|なんよう)|\bwhat(('| i)?s)? (day|date|the date|today's date)\b",
    re.IGNORECASE,
)
WANTING = re.compile(
    r"つない|話したい|話せ|お願い|ほしい|欲しい|したい|\b(can|could|may|want|need|please|talk|speak|connect|get me)\b",
    re.IGNORECASE,
)
ORDER = re.compile(r"順|並べ|ならべ|ソート|\b(sort|order|rank|first|arrange|list)\b", re.IGNORECASE)
CHOOSING = re.compile(
    TAKING.pattern + r"|選|えら|決め|(ほう|方|の|ところ|とこ|やつ)(が|で|に|を)(?!き)|停め|行こ|いこ|(ほう|方)$|"
    r"\b(one|the \w+est|most|least|which)\b",
    re.IGNORECASE,
)
"""with a quality, words that choose one rather than put all in order"""
YES = re.compile(
    r"^\W*(はい|ええ|うん|そう(です)?(ね)?|お願い(します|いたします)?|オーケー|yes|yeah|yep|yup|sure|ok(ay)?)( please)?\W*$",
    re.IGNORECASE,
)
NO = re.compile(r"^\W*(いいえ|いえ|いや|ううん|結構(です)?|no|nope|nah|no thanks?( you)?)\W*$", re.IGNORECASE)
ANOTHER = re.compile(
    r"(ほか|他|別)(の|に(?!も))|違う(とこ|店|の)|\b(something|somewhere|anything|anywhere) else|another one|(any )?others?\b",
    re.IGNORECASE,
)
GO = re.compile(
    r"連れ(て|っ)|つれ(て|っ)|向か|むか(っ|い|お|え)|行(って|きたい|こう|きます|く)|いって|いこう|案内|ナビ|目的地に|走って|"
    r"\b(take (me|us) to|bring (me|us) to|drive|navigate|head|go to|get (me|us) to|guide|directions?|destination)\b",
    re.IGNORECASE,
)
"""words that ask to be taken there, not only to choose"""
CORRECTION = re.compile(
    r"違|ちが|じゃな|ではな|間違|まちが|やっぱ|というか|もとい|じゃなくて|だった|ごめん|訂正|変更|"
    r"\b(no|nah|not|(on )?second thoughts?|actually|sorry|wait|hang on|hold on|rather|instead|i mean\w*|it was|correction|make (it|that)|change)\b",
    re.IGNORECASE,
)
INSTEAD = re.compile(
    r"(じゃ|では?)な(くて?|い[、。で])|やめて|\b(not (in|near|at|around|\w+)|instead|rather|i meant?)\b", re.IGNORECASE
)
LESS_MORE = re.compile(
    r"もう(少し|すこし|ちょっと|ちょい|一段|1段|一声)|もっと|さらに|ちょっと|少し|すこし|"
    r"\b(more|a (little|bit|touch|tad|notch)|slightly|further|another)\b",
    re.IGNORECASE,
)
"""「もうちょっと」 after a setting of the car"""
SOUND = re.compile(
    r"音|ボリューム|ミュート|うるさ|\b(volume|loud\w*|quiet\w*|mute|sound|music|radio|audio)\b", re.IGNORECASE
)
WEATHER = re.compile(
    r"天気|天候|予報|気温|晴|雨|雪|\b(weather|forecast|rain\w*|sun\w*|snow\w*|temperature|hot|cold)\b", re.IGNORECASE
)
CALLED_OFF = re.compile(
    r"キャンセル|やめ|止め|取り消|取消|中止|もういい|いいや|いらない|要らない|結構|忘れて|"
    r"\b(cancel|stop|never ?mind|forget|skip|drop|quit|not (today|now|any ?more)|leave it|don'?t bother|changed my mind)\b",
    re.IGNORECASE,
)
"""words that call off what was begun; 「未定です」, "no limit" are answers"""
NEWS_ON = re.compile(
    r"次|つぎ|続き|つづき|ほか|他|もっと|詳し|くわし|\b(next|more|others?|else|continue|go on|details?|read)\b",
    re.IGNORECASE,
)

RESTORE = re.compile(
    r"(元|もと|前|さっき)(の\S{0,6})?(に|へ)?戻|取り消|\b(undo|revert|put (it|that) back|change (it|that) back|back to (what|how) it was)\b",
    re.IGNORECASE,
)
WISH = re.compile(
    r"探|さが[しす]|教え|紹介|(食べ|飲み|行き|寄り|泊まり|停め|止め|休み|買い|入り|遊び)(たい|たく)|(ある|あり(ます)?|ない|ません|開いて(い)?る)(か|の|かな)?[?？。]*$|"
    r"あたりで$|近くで$|お願い|がいい|"
    r"\b(find|look(ing)? for|search|want|would (like|love)|i'?d (like|love)|need|where (can|could|do|is)|is there|are there|any|some|let'?s|fancy|feel like|could (murder|do with)|take)\b",
    re.IGNORECASE,
)
"""words that wish for a place, beside its kind and where or when it should be"""
BOOKING = re.compile(r"借り|予約|手配|取って|とって|押さえ|\b(book|reserve|rent|hire)\b", re.IGNORECASE)
LEFT_WORD = re.compile(
    r"(オペレーター|デスク|担当).{0,8}(何|なん|どう|メモ|伝言|言って|話)|(伝言|メモ)(は|を|って)|"
    r"\b(operator|desk)\b.{0,20}\b(say|said|do|note|message|book|arrange)\b",
    re.IGNORECASE,
)
"""asks what the operator said"""
QUIET_PAGE = re.compile(
    r"^\W*(次(の|へ|は)?|つぎ|続き|つづき|もっと|ほかには?|他には?|next|more|go on|continue|others?)\W*$", re.IGNORECASE
)
"""a message that is nothing but the wish to go on"""
ANOTHER_PLEASE = re.compile(
    r"((ほか|他|別)の(ところ|とこ|店|お店)?に(して|しよう|しとこ|する)|"
    r"\b((something|somewhere|anywhere) else|(another|a different) (one|place)),? please)\W*$",
    re.IGNORECASE,
)
"""ends with asking for another, whatever was said of the one before"""

_FILLER_JA = re.compile(
    r"えっ?と|あの[ーう]?|その[ーう]?|うー?ん|んー?|まあ|やっぱり?|じゃあ?|では|それなら|なら|そしたら|それと|あと|で、|"
    r"どう(です|なの|なん|だろう|でしょう|な)?|です|ます|でした|だった|ください|下さい|お?願いし?(ます|する)?|頼む|たの(む|みます)|"
    r"がいい|でいい|いい|良い|にして|にします?|にする|にしよう?か?|して|する|した|ところ|とこ|お?店|やつ|もの|ほう|方|"
    r"ある|あり|教えて|かな|だけ|から|まで|ごめん(ね|なさい)?|すみません|違(う|います|って)|ちが(う|います|って)|じゃな(くて|い)|"
    r"[ぁ-ん]|[、。！？!?,.ー〜\s]"
)
_FILLER_EN = re.compile(
    r"\b(m|s|re|ll|d|ve|on second thoughts?|never ?mind|nah|nope|look|try|and|what|what's|how|how's|about|the|a|an|in|at|on|for|to|then|okay|ok|so|um|uh|er|well|please|one|ones|i|i'll|i'd|we|we'll|"
    r"let's|take|go|with|is|it|it's|was|be|of|that|this|there|no|not|actually|sorry|wait|hang|hold|mean|meant|make|like|have|"
    r"want|would|will|number|maybe|just|yes|yeah|right|instead|rather|only|some|shall|could|can|might|up|go|with|has|my|me|do|did|you)\b|[^\w]|_",
    re.IGNORECASE,
)


Reading = str | Turn | None


def read(turn: Turn) -> Turn:
    """The turn with the intent it is to be answered as; the same turn when understanding had it right."""
    for rule in RULES:
        meant = rule(turn)
        if isinstance(meant, Turn):
            return meant
        if meant is not None:
            return turn if meant == turn.intent else replace(turn, intent=meant)
    return turn


def fresh(turn: Turn, slot: str, within: int = 1) -> bool:
    """Whether what `slot` remembers was dealt with in the last `within` turns."""
    held = turn.slots.get(slot)
    at = held.get("turn") if isinstance(held, Mapping) else None
    return isinstance(at, int) and turn.number - at <= within


def left_over(turn: Turn) -> int:
    """How much a message says besides its entities and words that say nothing: characters (ja), words (en)."""
    text = list(turn.text)
    for entity in turn.entities:
        text[entity.start : entity.end] = " " * (entity.end - entity.start)
    rest = "".join(text)
    if turn.language == "en":
        return len(_FILLER_EN.sub(" ", rest).split())
    return len(_FILLER_JA.sub("", rest))


def bare(turn: Turn) -> bool:
    """Whether the entities are (nearly) all there is to the message: to the last word when it was taken for chatter and
    nothing speaks for the search, for 「渋谷は混んでた」 names a place as well."""
    doubted = turn.intent in CHATTER and _probability(turn, SEARCHING | _GOING) < _HARDLY
    allowed = 0 if doubted else 1 if turn.language == "en" else 2
    return bool(turn.entities) and left_over(turn) <= allowed


def brief(turn: Turn) -> bool:
    """Whether there is little besides the entities: a sentence with a story in it is for somebody else."""
    return left_over(turn) <= (2 if turn.language == "en" else 4)


def unsure(turn: Turn) -> bool:
    """Whether a message was taken for chatter, or for anything with next to no confidence."""
    return turn.intent in CHATTER or turn.confidence < _GUESS


def types(turn: Turn) -> frozenset[str]:
    """Entity types but those that stand in any sentence ("on", 「入れ」, numerals)."""
    return frozenset(e.type for e in turn.entities) - {"direction", "level"}


def answers_the_desk(turn: Turn) -> str | None:
    """An answer to what is asked before the desk is called: whatever it was taken for, unless it plainly is something else."""
    pending = turn.slots.get("pending")
    kind = pending.get("kind") if isinstance(pending, Mapping) else None
    if kind == "handoff_injury":
        return "handoff"
    if kind != "handoff_form" or (turn.intent == "cancel" and CALLED_OFF.search(turn.text)):
        return None
    said = types(turn)
    if YES.match(turn.text) or NO.match(turn.text):
        return "handoff"
    if _something_else(turn, said):
        return None
    if said & _BOOKING:
        return "handoff"
    # 「JALのカードがあります」, 「福岡まで」 and "from Haneda to Fukuoka" are answers, whatever they were taken for.
    foreign = turn.intent not in CHATTER | CONTROL | SEARCHING | _GOING | {"handoff", "ask_weather"}
    return None if foreign or turn.intent in ("help", "repeat") else "handoff"


def _something_else(turn: Turn, said: frozenset[str]) -> bool:
    """Whether a message said into the desk's questions asks for something of its own: 「明日の天気は？」, another search."""
    if turn.intent == "ask_weather":
        return bool(turn.all("weather_item")) or WEATHER.search(turn.text) is not None
    if turn.confidence < _SURELY or (said <= _BOOKING and bare(turn)):
        return False
    if turn.intent in SEARCHING | _GOING:
        return bool(said & {"kind", "genre"})
    return turn.intent not in CHATTER | CONTROL | {"handoff"}


# --- rules, most particular first -------------------------------------------------------------------------------------


def car_once_more(turn: Turn) -> str | None:
    """「もうちょっと下げて」, "a bit more" right after a setting of the car."""
    if fresh(turn, "last_car", 2) and turn.intent in CHATTER and RESTORE.search(turn.text) and not turn.entities:
        return "climate"
    if not fresh(turn, "last_car") or turn.intent in ("climate", "display_control", "audio_source"):
        return None
    if turn.intent == "audio_volume" and SOUND.search(turn.text):
        return None
    rest = types(turn) - {"degrees", "number", "zone", "feeling", "climate_device"}
    again = LESS_MORE.search(turn.text) or (turn.all("zone") and turn.all("direction", "degrees"))
    if rest or not again or _plain_length(turn) > _SHORT[turn.language]:
        return None
    rows = turn.slots["last_car"].get("changes")
    device = rows[-1].get("device") if isinstance(rows, list) and rows and isinstance(rows[-1], Mapping) else None
    if device in ("volume", "mute"):
        return "audio_volume"
    return "display_control" if device in ("brightness", "zoom", "screen") else "climate"


def news_goes_on(turn: Turn) -> str | None:
    """「次」, "the second one", "more" right after headlines."""
    if not fresh(turn, "news") or turn.intent == "ask_news":
        return None
    about = {"genre", "kind"} if turn.all("news_topic") else set()
    if types(turn) - {"ordinal", "number", "pick", "news_topic", "attribute"} - about:
        return None
    points = bool(turn.all("ordinal", "number", "news_topic"))
    if _shown(turn) and TAKING.search(turn.text):
        # 「で、さっきの寿司屋、二番目にします」: back to the list read before the news.
        return None
    if turn.intent in ("next_page", "choose_option", "ask_place", "narrow") and (points or NEWS_ON.search(turn.text)):
        return "ask_news"
    if (unsure(turn) or turn.intent in ("repeat", "affirm", "audio_track")) and points and bare(turn):
        return "ask_news"
    return "ask_news" if (unsure(turn) or turn.intent == "audio_track") and QUIET_PAGE.search(turn.text) else None


def weather_elsewhere(turn: Turn) -> str | None:
    """「明日は？」「大阪は？」 after the weather was told."""
    if not fresh(turn, "weather") or turn.intent == "ask_weather":
        return None
    said = types(turn)
    if (
        not said
        or said - PLACES - {"time", "open_at", "weather_item", "where", "number"}
        or next(iter(said)) == "number"
    ):
        return None
    if GO.search(turn.text) or NEARBY.search(turn.text) or not bare(turn):
        return None
    # A name of a place alone may also be where to drive; with a time or a question it is the weather there.
    return "ask_weather" if said & {"time", "open_at", "weather_item"} or turn.intent not in _GOING else None


def plain_answer(turn: Turn) -> str | None:
    """はい, no: one word that answers the question asked, whatever it was taken for."""
    if not turn.slots.get("pending"):
        return None
    return "affirm" if YES.match(turn.text) else "deny" if NO.match(turn.text) else None


def destination_corrected(turn: Turn) -> str | None:
    """「あ、ちがう、箱根湯本駅だった」 right after the destination was set, or offered where nothing is searched for."""
    pending = turn.slots.get("pending")
    offered = isinstance(pending, Mapping) and pending.get("kind") == "set_destination" and not _shown(turn)
    if not (fresh(turn, "guidance") or offered) or turn.intent in (
        "navigate_to",
        "add_waypoint",
        "ask_weather",
        "ask_traffic",
    ):
        return None
    named = any(e.type in PLACES and e.role is None for e in turn.entities)
    if not named or types(turn) - PLACES - {"kind", "where", "drop"}:
        return None
    corrects = CORRECTION.search(turn.text) and turn.intent in SEARCHING | CHATTER | CONTROL | _GOING | {"change_route"}
    return "navigate_to" if corrects else None


def about_a_candidate(turn: Turn) -> str | None:
    """「一番目の店、駐車場はついてますか」: a question about one of those offered, whatever it was taken for."""
    if turn.intent not in SEARCHING | CHATTER | {"set_destination", "navigate_to"} or not _shown(turn):
        return None
    numbered = bool(turn.all("ordinal") or (turn.all("number") and turn.intent in ("choose_option", "ask_place")))
    if not numbered:
        return None
    asked = bool(turn.all("attribute"))
    if (
        turn.intent == "ask_place"
        and not asked
        and not QUESTION.search(turn.text)
        and not types(turn) & CONDITION_TYPES
    ):
        return "choose_option"
    if asked and not TAKING.search(turn.text) and not GO.search(turn.text):
        return "ask_place"
    return None


def one_of_those(turn: Turn) -> str | None:
    """A number or a quality alone, while a list is on the table, chooses; with a word of going it sets."""
    points = turn.all(*POINTERS)
    if not points or not _listed(turn) or types(turn) & {"attribute", "time", "kind", "genre", "drop"}:
        return None
    if turn.all("sort") and (ORDER.search(turn.text) or not (turn.all("pick") and CHOOSING.search(turn.text))):
        return None
    if (
        turn.intent in ("choose_option", "search_place", "narrow", "navigate_to")
        and turn.all("ordinal")
        and _goes(turn)
    ):
        return "set_destination"
    if turn.intent in ("search_place", "narrow", "next_page", "repeat", "undo_narrow"):
        return "choose_option" if types(turn) <= {*POINTERS, "number", "where", "sort", "feeling"} else None
    if unsure(turn) or turn.intent in CONTROL:
        likely = _probability(turn, SEARCHING | _GOING) >= _POSSIBLE
        taken = TAKING.search(turn.text) and not QUESTION.search(turn.text)
        if bare(turn) or taken or (likely and not QUESTION.search(turn.text)):
            return "set_destination" if turn.all("ordinal") and _goes(turn) else "choose_option"
    return None


def asked_after_all(turn: Turn) -> str | None:
    """「住所は？」 while a place is being talked about."""
    if turn.intent == "handoff" and not turn.all("handoff_topic") and turn.slots.get("focus") and turn.all("attribute"):
        return "ask_place"
    if not unsure(turn) or not (turn.slots.get("focus") or _shown(turn) or turn.all("place_name")):
        return None
    return (
        "ask_place"
        if types(turn)
        and types(turn) <= {"attribute", "ordinal", "where", "kind", "place_name"}
        and turn.all("attribute")
        and bare(turn)
        else None
    )


def condition_given_up(turn: Turn) -> str | None:
    """「カードは使えなくてもいいや」 is no question."""
    gives_up = turn.all("drop") and not QUESTION.search(turn.text)
    return "narrow" if turn.intent == "ask_place" and gives_up and _shown(turn) else None


def somewhere_near_it(turn: Turn) -> Reading:
    """「そこの近くに停められる駐車場ある？」 looks for another place; it asks nothing about the one at hand."""
    kinds = turn.all("kind")
    if turn.intent not in ("ask_place", "narrow", "choose_option") and not unsure(turn):
        return None
    where = turn.first("where") or turn.first("where", role="near")
    elsewhere = where == "here" or NEARBY.search(turn.text)
    if turn.intent == "narrow" and elsewhere and kinds and kinds[-1].value not in (_kind_under_way(turn), "parking"):
        # 「先に給油したい、近くのスタンドは？」 while restaurants are on the table.
        return "search_place"
    near = where in ("there", "candidate", "destination") and NEARBY.search(turn.text)
    other = kinds and kinds[-1].value != _kind_under_way(turn)
    if near and other and not turn.all("ordinal"):
        return "search_place"
    focus = turn.slots.get("focus")
    if (
        turn.intent == "ask_place"
        and kinds
        and isinstance(focus, Mapping)
        and not focus.get("id")
        and not types(turn) & PLACES
    ):
        # 「着いたところで停められる駐車場は？」 about a station: nothing is known of it, but what lies near it.
        return replace(turn, intent="search_place", entities=(*kinds, Entity("where", "there", text="near there")))
    return None


def another_part_of_town(turn: Turn) -> str | None:
    """「渋谷じゃなくて恵比寿駅のほう」: the place searched is changed, though something offered has it in its name."""
    if turn.intent != "choose_option" or not _shown(turn):
        return None
    located = turn.all("station", "area", "city", "prefecture")
    return "narrow" if located and types(turn) <= PLACES - {"place_name"} and INSTEAD.search(turn.text) else None


def back_to_a_condition(turn: Turn) -> str | None:
    """ "back to Chinese, then": not a step back but a condition said anew."""
    said = types(turn)
    if turn.intent == "undo_narrow" and turn.all("sort") and ORDER.search(turn.text) and not RESTORE.search(turn.text):
        # "put the best rated ones first"
        return "narrow"
    return "narrow" if turn.intent == "go_back" and _shown(turn) and said & {"genre", *PLACES} else None


def that_place(turn: Turn) -> str | None:
    """「うん、そこにして」 after a place was offered or set."""
    pending = turn.slots.get("pending")
    offered = isinstance(pending, Mapping) and pending.get("kind") in (
        "set_destination",
        "destination_set",
        "add_waypoint",
    )
    there = turn.first("where") in ("there", "candidate") and types(turn) == {"where"}
    going = turn.ranking.get("set_destination", 0.0) + turn.ranking.get("affirm", 0.0)
    if (
        offered
        and not turn.entities
        and unsure(turn)
        and going >= _LIKELY
        and _plain_length(turn) <= _SHORT[turn.language]
    ):
        return "affirm"
    taken = offered and there and unsure(turn) and not QUESTION.search(turn.text)
    return "affirm" if taken and (bare(turn) or TAKING.search(turn.text)) else None


def its_values_speak_for_it(turn: Turn) -> str | None:
    """Taken for chatter, but what it is likeliest to mean besides is borne out by the values in it: a kind of place and
    where, a device and its setting, the operator. 「途中で給油できるところある？」"""
    if not unsure(turn):
        return None
    if CLOCK.search(turn.text) or CALENDAR.search(turn.text):
        return "schedule"
    said = types(turn)
    if said & {"phone_number", "feeling"} and bare(turn) and turn.first("feeling") in (None, "hungry"):
        return "search_place" if said <= {"phone_number", "kind", "feeling"} else None
    somewhere = said & {*PLACES, "where"} or NEARBY.search(turn.text)
    if turn.all("kind", "genre") and somewhere and said <= CONDITION_TYPES | PLACES | {"attribute", "time", "number"}:
        on = turn.slots.get("context") in OPEN_CONTEXTS or fresh(turn, "guidance", 3)
        asks = on and ((QUESTION.search(turn.text) and brief(turn)) or bare(turn))
        # 「銀座で中華」 and not a word besides is what a driver asks for.
        asks = asks or bool(turn.all(*PLACES) and left_over(turn) == 0)
        likely = brief(turn) and _probability(turn, SEARCHING | _GOING) >= _POSSIBLE
        return "search_place" if asks or likely else None
    setting = turn.all("climate_device") and turn.all("degrees", "direction", "level")
    if setting and turn.ranking.get("climate", 0.0) >= _LIKELY:
        return "climate"
    wanted = "handoff_topic" in said and brief(turn) and WANTING.search(turn.text)
    return "handoff" if wanted and turn.ranking.get("handoff", 0.0) >= _HARDLY else None


def not_caught(turn: Turn) -> str | None:
    """Nothing in particular: it was not caught, which is not the same as something the car cannot do."""
    nothing = turn.intent in ("out_of_scope", "chitchat") and not turn.entities
    return "nlu_fallback" if nothing and turn.ranking and max(turn.ranking.values()) < _NOTHING else None


def a_person_wanted(turn: Turn) -> str | None:
    """ "can I talk to a real person", whatever it was taken for."""
    topic = turn.first("handoff_topic")
    if topic in _BOOKED and turn.intent == "search_place":
        # 「レンタカーを借りたい」 is no search for the shop.
        return "handoff" if BOOKING.search(turn.text) else None
    if not unsure(turn):
        return None
    under_way = turn.slots.get("focus") or _kind_under_way(turn)
    if topic is not None and (under_way or topic in _BOOKINGS) and BOOKING.search(turn.text) and brief(turn):
        # 「予約しておいて」 about the place just chosen, or what is being looked for; "book me a flight to Fukuoka".
        return "handoff"
    if topic == "operator" or (topic == "roadside" and left_over(turn) <= 1):
        return "handoff"
    asks_note = isinstance(turn.metadata.get("desk"), Mapping) and LEFT_WORD.search(turn.text)
    return "handoff" if asks_note else None


def a_place_wished(turn: Turn) -> str | None:
    """A kind of place, where or when it should be, and words that wish for it, though taken for chatter."""
    if turn.intent not in CHATTER | {"ask_vehicle"} or not turn.all("kind", "genre"):
        return None
    where_or_when = turn.all("open_at") or turn.all("where") or any(e.type in PLACES for e in turn.entities)
    return "search_place" if where_or_when and WISH.search(turn.text) else None


def an_answer_after_all(turn: Turn) -> str | None:
    """Taken for chatter, but it names a condition (and next to nothing else) while a search is on the table, or says the
    yes or no that was asked for."""
    if not unsure(turn):
        return None
    context = turn.slots.get("context")
    said = types(turn)
    conditions = said and said <= CONDITION_TYPES | {"place_name"}
    under_way = context in OPEN_CONTEXTS or (_shown(turn) and fresh(turn, "search", 3) and said & _WISHES)
    likely = brief(turn) and _probability(turn, SEARCHING | _GOING) >= _POSSIBLE
    if conditions and under_way and (bare(turn) or likely):
        return "search_place" if context == "asks_place" else "narrow"
    if turn.slots.get("pending") and not said and _plain_length(turn) <= _SHORT[turn.language]:
        for intent in ("affirm", "deny", "cancel"):
            if turn.ranking.get(intent, 0.0) >= _LIKELY:
                return intent
    if not _shown(turn) or context not in (*LISTING, "offers_one"):
        return None
    others = turn.ranking.get("next_page", 0.0)
    if (
        QUIET_PAGE.search(turn.text)
        or ANOTHER_PLEASE.search(turn.text)
        or (others >= _HARDLY and ANOTHER.search(turn.text))
    ):
        return "next_page"
    # 「どれもぱっとしないな」: no value in it, but reading on does no harm.
    return "next_page" if not said and context in LISTING and others >= _READ_ON else None


NOTICE_INTENTS = frozenset(
    {"notice_feedback", "change_route", "set_destination", "navigate_to", "ask_traffic", "ask_place", "ask_eta", "cancel",
     "deny", "affirm", "schedule"}
)  # fmt: skip
"""what answers to a notice are taken for"""


_SAME_AS_YES = frozenset({"cancel", "deny", "affirm", "agentplus_control", "forget_preference", "notice_feedback"})
LEADING_YES = re.compile(
    r"^\W*(はい|ええ|うん|そう(です|して)|お願い|頼|いいよ|いいです|(yes|yeah|yep|sure|ok(ay)?|please|go ahead|do it)\b)",
    re.IGNORECASE,
)
LEADING_NO = re.compile(
    r"^\W*(いいえ|いえ|いや|ううん|やっぱり?(やめ|いい)|だめ|(no|nope|nah|don'?t|stop|wait)\b)", re.IGNORECASE
)


def _answers_notice(turn: Turn) -> str | None:
    """While a notice may be answered: 「詳しく」, 「他の道は？」, 「平日の朝だけ」, 「もういい」 are about it."""
    notice = turn.metadata.get("notice")
    if not isinstance(notice, Mapping):
        return None
    if notice.get("asks") and (turn.intent in CHATTER or turn.intent in _SAME_AS_YES):
        # 「はい、消してください」 is a yes, whatever it says of what is to be done.
        for meant, words in (("affirm", LEADING_YES), ("deny", LEADING_NO)):
            if words.match(turn.text):
                return meant
    if notice.get("question"):
        return None
    if turn.first("notice_answer") is not None and turn.intent in NOTICE_INTENTS:
        # A yes with a reason in it is still a yes to what was asked.
        return turn.intent if turn.intent == "affirm" and notice.get("asks") else "notice_feedback"
    if turn.intent in CHATTER and turn.first("notice_answer") in ("later", "detail", "other_way"):
        return "notice_feedback"
    days = turn.first("notice_days") or turn.first("notice_part")
    if days is not None and turn.first("notice_change") == "only" and turn.first("notice_class") is None:
        return "notice_feedback"
    return "notice_feedback" if turn.intent == "cancel" and not turn.all("ordinal", "kind", "genre") else None


RULES: tuple[Callable[[Turn], Reading], ...] = (
    _answers_notice,
    answers_the_desk, plain_answer, car_once_more, news_goes_on, weather_elsewhere, destination_corrected, somewhere_near_it,
    another_part_of_town, back_to_a_condition, about_a_candidate, one_of_those, that_place, its_values_speak_for_it, asked_after_all, condition_given_up, an_answer_after_all,
    a_person_wanted, a_place_wished, not_caught,
)  # fmt: skip

_WISHES = frozenset({"genre", "budget", "sort", "drop", *SIMPLE})
_GOING = frozenset({"navigate_to", "set_destination", "add_waypoint"})
_BOOKING = frozenset({"time", "people", "nights", "budget", "price", "number"})
"""values that a booking asks for"""
_BOOKED = frozenset({"rental_car", "flight"})
_BOOKINGS = _BOOKED | {"hotel_booking", "restaurant_booking", "taxi"}
_SURELY = 0.5
_GUESS = 0.3
"""an intent less probable than this is a guess"""
_NOTHING = 0.4
"""when no intent is more probable than this, and there is no value, nothing was caught"""
_HARDLY = 0.1
_POSSIBLE = 0.25
"""so probable must it be that a line with a value, taken for chatter, speaks of the search under way"""
_READ_ON = 0.17
_LIKELY = 0.3
"""a yes or no this probable answers a question, though chatter was likelier"""
_SHORT: Mapping[str, int] = MappingProxyType({"ja": 14, "en": 28})
"""characters of a message that can be no more than an answer"""


def _probability(turn: Turn, intents: frozenset[str]) -> float:
    return sum(p for intent, p in turn.ranking.items() if intent in intents)


def _kind_under_way(turn: Turn) -> str | None:
    search = turn.slots.get("search")
    conditions = search.get("conditions") if isinstance(search, Mapping) else None
    return conditions.get("kind") if isinstance(conditions, Mapping) else None


def _plain_length(turn: Turn) -> int:
    return len(turn.text.strip())


def _shown(turn: Turn) -> bool:
    search = turn.slots.get("search")
    return isinstance(search, Mapping) and bool(search.get("shown"))


def _listed(turn: Turn) -> bool:
    """Whether there is something to choose from: a list of places, or of towns of one name."""
    pending = turn.slots.get("pending")
    return _shown(turn) or (isinstance(pending, Mapping) and pending.get("kind") == "which_goal")


def _goes(turn: Turn) -> bool:
    return GO.search(turn.text) is not None and not QUESTION.search(turn.text)
