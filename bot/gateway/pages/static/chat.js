/* The full page works as plain forms; with scripts the same conversation goes on without reloading. */
(() => {
  "use strict";
  const { Talk, submitOnEnter } = customElements.get("minda-chat");
  const chat = document.getElementById("chat"), form = document.getElementById("ask");
  const box = document.getElementById("text"), log = document.getElementById("log");
  const { conversation, token, last } = chat.dataset;
  const keys = conversation ? { conversation_id: conversation, token } : null;
  const talk = new Talk(null, log);
  if (keys) {
    talk.client.keys = keys;
    talk.client.last = Number(last);
    talk.client.listen();
  }
  const say = (body, shown) => talk.say(body, shown);
  submitOnEnter(form, box, (text, button) => (text ? say({ text }, text) : say({ choice_id: button.value }, button.textContent)));
  for (const small of log.querySelectorAll("form")) {
    small.addEventListener("submit", (event) => {
      event.preventDefault();
      const button = event.submitter;
      say({ [button.name]: button.value }, button.textContent);
    });
  }
  log.scrollTop = log.scrollHeight;
})();
