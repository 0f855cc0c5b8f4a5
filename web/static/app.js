// The composer asks on each change what would happen to the message, and shows the answer. Everything works without
// this script too: the Check button does the same. The manual choice is a radio button that only people change.
"use strict";

(function () {
  const form = document.getElementById("compose");
  if (!form) return;
  const checking = document.getElementById("checking");
  const delay = 200; // milliseconds without a keystroke
  let timer = 0;
  let latest = 0; // number of the newest question; older answers are dropped

  function ask() {
    const number = ++latest;
    const body = new URLSearchParams(new FormData(form));
    body.set("form_token", form.dataset.planToken);
    body.delete("text"); // the plan does not depend on it
    fetch(form.dataset.plan, { method: "POST", body: body, headers: { Accept: "application/json" }, credentials: "same-origin" })
      .then(function (answer) {
        if (!answer.ok) throw new Error(answer.status);
        return answer.json();
      })
      .then(function (plan) { if (number === latest) show(plan); })
      .catch(function () {
        if (number === latest) checking.textContent = "The state could not be checked. Press Check to try again; what you typed stays.";
      });
  }

  function show(plan) {
    checking.textContent = "";
    for (const id in plan.parts) {
      const element = document.getElementById(id);
      // Made by the server's own templates, which escape everything that people typed.
      if (element && element.innerHTML !== plan.parts[id]) element.innerHTML = plan.parts[id];
    }
    for (const key of ["encrypt", "sign"]) {
      form.querySelector('[data-default="' + key + '"]').textContent = plan[key].default ? "on" : "off";
      const off = form.querySelector('input[name="' + key + '"][value="off"]');
      off.disabled = plan[key].locked && !off.checked;
    }
    form.dataset.planned = latest;
  }

  form.addEventListener("input", function (event) {
    if (event.target.name === "text" || event.target.name === "subject") return;
    clearTimeout(timer);
    timer = setTimeout(ask, delay);
  });

  form.addEventListener("submit", function () {
    // One click sends once; the button comes back when the page is shown again.
    setTimeout(function () { document.getElementById("send").disabled = true; }, 0);
  });
  window.addEventListener("pageshow", function () { document.getElementById("send").disabled = false; });
})();
