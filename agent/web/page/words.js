// The page's own words.
export const words = {
  ja: {
    lang: "ja", talk: "会話", events: "できごと", send: "送る", drive: "走行 ", language: "ことば ",
    placeholder: "近くの駐車場を探して", connecting: "つないでいます…", lost: "接続が切れました。つなぎ直しています…", noDestination: "目的地なし",
    back: "エージェントに戻る", accept: "受け取る", refuse: "受け取らない",
  },
  en: {
    lang: "en", talk: "Conversation", events: "Events", send: "Send", drive: "Drive ", language: "Language ",
    placeholder: "find parking near here", connecting: "Connecting…", lost: "Connection lost, trying again…", noDestination: "no destination",
    back: "Back to the agent", accept: "Take it", refuse: "Leave it",
  },
};
