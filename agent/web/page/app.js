// The text page: joins the connection to the view. All text goes in as text nodes, never as markup.
import { Connection } from "./connection.js";
import { View } from "./view.js";

const view = new View(document);
const token = new URLSearchParams(location.search).get("token") ?? "";
const connection = new Connection(token, {
  message: (message) => view.show(message),
  state: (state) => {
    view.state(state);
    if (state === "open") {
      connection.send({ type: "language", language: view.language });
      connection.send({ type: "car" });
    }
  },
});

view.onSay = (text) => connection.send({ type: "say", text });
view.onLanguage = (language) => connection.send({ type: "language", language });
view.onDrive = (factor) => connection.send({ type: "drive", factor });
view.onBack = () => connection.send({ type: "line", do: "back" });
view.onPush = (id, accept) => connection.send({ type: "push", id, accept });
setInterval(() => connection.send({ type: "car" }), 2000);
connection.open();
