// Light, dark, or whatever the system says. This is a classic script in the
// head, so that it runs before the first paint: a module would run after it and
// a dark page would flash white.
'use strict';

(() => {
  const choices = ['auto', 'light', 'dark'];

  // Storage may be turned off; the choice then lasts until the next load.
  let choice = 'auto';
  try {
    choice = localStorage.getItem('theme') ?? 'auto';
  } catch { /* stay with the system's */ }
  if (!choices.includes(choice)) choice = 'auto';

  function apply() {
    document.documentElement.dataset.theme = choice;
    const button = document.getElementById('theme');
    if (!button) return; // in the head
    button.textContent = choice[0].toUpperCase() + choice.slice(1);
    button.setAttribute('aria-label', `Theme: ${choice}`);
  }

  apply();
  document.addEventListener('DOMContentLoaded', () => {
    document.getElementById('theme').addEventListener('click', () => {
      choice = choices[(choices.indexOf(choice) + 1) % choices.length];
      try {
        localStorage.setItem('theme', choice);
      } catch { /* as above */ }
      apply();
    });
    apply();
  });
})();
