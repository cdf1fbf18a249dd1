/* 民答 widget: one <script defer src=".../widget.js"> and <minda-chat></minda-chat> (added by itself where it is missing).
   No inline style, no eval, text nodes only; the host's CSP needs script-src and connect-src of this origin. */
(() => {
  "use strict";
  const script = document.currentScript;
  const origin = new URL(script ? script.src : location.href).origin;
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const newId = () => (crypto.randomUUID ? crypto.randomUUID() : Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16)).join("-"));

  class Client {
    constructor(keys, onReply) { this.keys = keys; this.onReply = onReply; this.last = null; this.stopped = false; }
    async open() {
      if (this.keys) return;
      const answer = await fetch(`${origin}/api/v1/conversations`, { method: "POST" });
      if (!answer.ok) throw await this.problem(answer);
      this.keys = await answer.json();
      if (this.onOpen) this.onOpen(this.keys);
    }
    async problem(answer) {
      let detail = "服务暂时不通，请稍后再试，或者拨打 12345。";
      try { detail = (await answer.json()).detail || detail; } catch { /* not JSON */ }
      return Object.assign(new Error(detail), { status: answer.status });
    }
    headers() { return { Authorization: `Bearer ${this.keys.token}` }; }
    async send(body) {
      await this.open();
      const message = JSON.stringify({ client_msg_id: newId(), ...body });
      for (let attempt = 0; ; attempt += 1) {
        try {
          const answer = await fetch(`${origin}/api/v1/conversations/${this.keys.conversation_id}/messages`, {
            method: "POST", headers: { ...this.headers(), "Content-Type": "application/json" }, body: message });
          if (answer.ok) return (await answer.json()).replies;
          const error = await this.problem(answer);
          if (answer.status !== 503 || attempt >= 3) throw error;
        } catch (error) {
          if (error.status || attempt >= 3) throw error.status ? error : new Error("网络不通，消息没有送出，请再试一次。");
        }
        await wait(400 * 2 ** attempt);
      }
    }
    async listen() {
      let pause = 300;
      while (!this.stopped) {
        try {
          const headers = this.headers();
          if (this.last !== null) headers["Last-Event-ID"] = String(this.last);
          const answer = await fetch(`${origin}/api/v1/conversations/${this.keys.conversation_id}/events`, { headers, cache: "no-store" });
          if (answer.status === 401 || answer.status === 404) return;
          if (!answer.ok) throw new Error("events");
          pause = 300;
          await this.read(answer.body.getReader());
        } catch { /* connection lost: try again below */ }
        await wait(pause * (0.7 + Math.random() * 0.6));
        pause = Math.min(8000, pause * 2);
      }
    }
    async read(reader) {
      const decoder = new TextDecoder();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        rest += decoder.decode(value, { stream: true });
        const blocks = rest.split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) this.event(block);
      }
    }
    event(block) {
      const id = /^id: (\d+)$/m.exec(block), data = /^data: (.*)$/m.exec(block);
      if (!id || !data || (this.last !== null && Number(id[1]) <= this.last)) return;
      this.last = Number(id[1]);
      this.onReply(JSON.parse(data[1]));
    }
  }

  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  class Log {
    constructor(log, send) { this.log = log; this.send = send; }
    add(kind, who, text) {
      const article = element("article", `msg ${kind}`);
      article.append(element("p", "who", who), element("div", "text", text));
      this.log.append(article);
      this.log.scrollTop = this.log.scrollHeight;
      return article;
    }
    reply(reply) {
      this.clearChoices();
      const article = this.add(`bot ${reply.kind}${reply.author ? " officer" : ""}`, reply.author || "民答", reply.text);
      const choices = reply.choices || [];
      if (choices.length) {
        const row = element("div", "choices");
        for (const choice of choices) {
          const button = element("button", "", choice.label);
          button.type = "button";
          button.addEventListener("click", () => this.send({ choice_id: choice.id }, choice.label));
          row.append(button);
        }
        article.append(row);
        this.log.scrollTop = this.log.scrollHeight;
      }
      if (reply.link) {
        const link = element("a", "page", "打印或者保存这份结果");
        link.href = origin + reply.link;
        link.target = "_blank";
        article.append(link);
      }
      if (reply.id && (reply.link || ["answer", "redirect"].includes(reply.kind)) && !reply.author) {
        const row = element("div", "choices");
        for (const opinion of ["有用", "没用"]) {
          const button = element("button", "link", opinion);
          button.type = "button";
          button.addEventListener("click", () => this.send({ text: opinion }, opinion));
          row.append(button);
        }
        article.append(row);
      }
      if ("speechSynthesis" in window && speechSynthesis.getVoices().some((v) => v.lang.startsWith("zh"))) {
        const speak = element("button", "link", "读出来");
        speak.type = "button";
        speak.addEventListener("click", () => { const words = new SpeechSynthesisUtterance(reply.text); words.lang = "zh-CN"; speechSynthesis.cancel(); speechSynthesis.speak(words); });
        article.append(speak);
      }
    }
    clearChoices() { for (const row of this.log.querySelectorAll(".choices,.samples")) row.remove(); }
    waiting() { return this.add("bot waiting", "民答", ""); }
    problem(text) { const p = element("p", "problem", text); p.setAttribute("role", "alert"); this.log.append(p); this.log.scrollTop = this.log.scrollHeight; }
  }

  /** Joins a client and a log: one question at a time, in order. */
  class Talk {
    constructor(keys, log) {
      this.log = new Log(log, (body, shown) => this.say(body, shown));
      this.client = new Client(keys, (reply) => this.log.reply(reply));
      this.queue = Promise.resolve();
      if (keys) this.client.listen();
    }
    say(body, shown) {
      this.log.clearChoices();
      this.log.add("me", "您", shown);
      this.queue = this.queue.then(() => this.ask(body));
      return this.queue;
    }
    async ask(body) {
      const waiting = this.log.waiting();
      const first = !this.client.keys;
      try {
        const replies = await this.client.send(body);
        waiting.remove();
        for (const reply of replies) this.log.reply(reply);
        if (first) this.client.listen();
      } catch (error) {
        waiting.remove();
        this.log.problem(error.message);
      }
    }
  }

  const STYLE = `
:host{all:initial;position:fixed;right:1rem;bottom:1rem;z-index:2147483000;font:16px/1.6 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;color:#1c2b28}
:host([elder]){font-size:24px}
*{box-sizing:border-box;font:inherit}
button{min-height:44px;min-width:44px;padding:.3em .9em;border:1px solid #0b5c4a;border-radius:.6em;background:#fff;color:#0b5c4a;cursor:pointer}
:host([elder]) button{min-height:60px;min-width:60px}
button:focus-visible,textarea:focus-visible,.log:focus-visible{outline:3px solid #f0a202;outline-offset:2px}
.open,.primary{background:#0b5c4a;color:#fff;font-weight:600}
.panel{display:flex;flex-direction:column;width:min(25em,calc(100vw - 2rem));height:min(38em,calc(100vh - 2rem));background:#fff;border:1px solid #b9c6c2;border-radius:1em;overflow:hidden;box-shadow:0 .5em 2em #0004}
.panel[hidden],.open[hidden]{display:none}
.head{display:flex;align-items:center;justify-content:space-between;gap:.5em;background:#0b5c4a;color:#fff;padding:.3em .5em .3em 1em}
.head button{border-color:#fff}
h2{font-size:1.1em;font-weight:700;margin:0}
.log{flex:1;overflow-y:auto;padding:.8em;display:flex;flex-direction:column;gap:.8em}
.msg{max-width:92%;align-self:flex-start}.msg p{margin:0}.who{font-size:.85em;color:#5a6966}
.text{background:#e5f2ee;border-radius:.2em 1em 1em 1em;padding:.6em .9em;white-space:pre-wrap;overflow-wrap:anywhere}
.me{align-self:flex-end}.me .text{background:#e3eefb}.crisis .text{background:#fff4ec;border:2px solid #9a3412;font-weight:600}.officer .text{background:#fdf6dc}
.choices{display:flex;flex-wrap:wrap;gap:.4em;margin-top:.4em}.link{border:0;text-decoration:underline;background:none}
.waiting .text::after{content:"正在查找…";color:#5a6966}
.problem{margin:0;color:#9a3412;background:#fff4ec;border:1px solid #9a3412;border-radius:.6em;padding:.5em .8em}
form{display:flex;gap:.5em;padding:.6em;border-top:1px solid #d5dedb;margin:0}
textarea{flex:1;resize:none;border:1px solid #8a9a96;border-radius:.6em;padding:.5em;min-height:44px;color:inherit}
.page{color:#0b5c4a;display:inline-block;min-height:24px;margin-top:.4em}
.foot{padding:0 .8em .6em;font-size:.9em}.foot a{color:#0b5c4a;display:inline-block;min-height:24px}`;

  class MindaChat extends HTMLElement {
    connectedCallback() {
      if (this.shadowRoot) return;
      const root = this.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      this.opener = element("button", "open", "民政问答");
      this.opener.setAttribute("aria-haspopup", "dialog");
      this.panel = element("section", "panel");
      this.panel.hidden = true;
      this.panel.setAttribute("role", "dialog");
      this.panel.setAttribute("aria-label", "民政问答");
      const head = element("div", "head"), close = element("button", "", "关闭");
      head.append(element("h2", "", "民答 · 民政问答"), close);
      const log = element("div", "log");
      log.setAttribute("role", "log");
      log.setAttribute("aria-label", "对话记录");
      log.tabIndex = 0;
      const form = element("form"), box = element("textarea"), send = element("button", "primary", "发送");
      box.maxLength = 300; box.rows = 2; box.setAttribute("aria-label", "您的问题"); box.placeholder = "说说您的问题";
      form.append(box, send);
      const foot = element("div", "foot"), full = element("a", "", "打开整页"), note = element("span", "", "　人工：说“转人工”，或拨 12345");
      full.href = `${origin}/chat`;
      foot.append(full, note);
      this.panel.append(head, log, form, foot);
      root.append(this.opener, this.panel);
      this.box = box;
      const stored = sessionStorage.getItem("minda-conversation");
      this.talk = new Talk(stored ? JSON.parse(stored) : null, log);
      this.talk.client.onOpen = (keys) => sessionStorage.setItem("minda-conversation", JSON.stringify(keys));
      this.talk.log.add("bot", "民答", "您好。民政的事都可以问我，用您自己的话说就行。");
      this.opener.addEventListener("click", () => this.show(true));
      close.addEventListener("click", () => this.show(false));
      root.addEventListener("keydown", (event) => { if (event.key === "Escape" && !this.panel.hidden) this.show(false); });
      submitOnEnter(form, box, (text) => this.talk.say({ text }, text));
    }
    show(open) {
      this.panel.hidden = !open;
      this.opener.hidden = open;
      (open ? this.box : this.opener).focus();
    }
  }

  function submitOnEnter(form, box, say) {
    form.addEventListener("submit", (event) => {
      if (event.submitter && event.submitter.name === "choice_id") { event.preventDefault(); say(null, event.submitter); return; }
      event.preventDefault();
      const text = box.value.trim();
      if (!text) { box.focus(); return; }
      box.value = "";
      say(text);
    });
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
    });
  }

  MindaChat.Talk = Talk;
  MindaChat.submitOnEnter = submitOnEnter;
  customElements.define("minda-chat", MindaChat);
  const ready = () => { if (!document.querySelector("minda-chat") && !(script && "manual" in script.dataset) && !document.getElementById("chat")) document.body.append(document.createElement("minda-chat")); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready); else ready();
})();
