// The theme: light, dark, or the system's. This is a classic script in the head, so
// it runs before the page is first painted. A module would run later, and a dark
// page would flash white.
'use strict';

(() => {
  const choices = ['auto', 'light', 'dark'];

  // If storage is disabled, the choice lasts until the page is reloaded.
  let choice = 'auto';
  try {
    choice = localStorage.getItem('theme') ?? 'auto';
  } catch { /* use the system's theme */ }
  if (!choices.includes(choice)) choice = 'auto';

  function apply() {
    document.documentElement.dataset.theme = choice;
    const button = document.getElementById('theme');
    if (!button) return; // the body has not been parsed yet
    button.textContent = choice[0].toUpperCase() + choice.slice(1);
    button.setAttribute('aria-label', `Theme: ${choice}`);
  }

  apply();
  document.addEventListener('DOMContentLoaded', () => {
    document.getElementById('theme').addEventListener('click', () => {
      choice = choices[(choices.indexOf(choice) + 1) % choices.length];
      try {
        localStorage.setItem('theme', choice);
      } catch { /* storage is disabled */ }
      apply();
    });
    apply();
  });
})();
