// Shows what a link to an equation, a figure, a term or a reference leads to, beside the link: when the pointer rests on
// it, and when the keyboard comes to it. Escape closes; the pointer may enter. A finger follows the link as ever.
(() => {
  'use strict';
  const root = document.documentElement.dataset.content_root || './';
  const home = new URL(root, location.href);
  const WAIT = 250; // milliseconds, so that a pointer on its way opens nothing
  let box, shownFor, timer, elsewhere;

  const others = () => elsewhere ??= new Promise((resolve, reject) => {
    window.bookPreviews = resolve;
    const script = document.createElement('script');
    script.src = new URL('_static/previews.js', home);
    script.onerror = reject;
    document.head.append(script);
  });

  function copyOf(target) {
    if (target.matches('dt')) {
      const both = document.createElement('dl');
      both.append(target.cloneNode(true), target.nextElementSibling.cloneNode(true));
      return both;
    }
    if (!target.matches('div.math, figure, .citation, .exercise, .proof, table')) return null;
    return target.cloneNode(true);
  }

  async function contentFor(link) {
    const url = new URL(link.href);
    const id = decodeURIComponent(url.hash.slice(1));
    if (!id) return null;
    if (url.pathname === location.pathname) {
      const target = document.getElementById(id);
      return target && copyOf(target);
    }
    if (!url.pathname.startsWith(home.pathname)) return null;
    const html = (await others())[url.pathname.slice(home.pathname.length) + '#' + id];
    if (!html) return null;
    const content = document.createElement(html.startsWith('<dt') ? 'dl' : 'div');
    content.innerHTML = html.replace(/ src="(?![a-z]+:)/g, ` src="${home.href}`);
    return content;
  }

  function clean(content) {
    content.querySelectorAll('.headerlink, .interactive, button, script').forEach(part => part.remove());
    for (const part of [content, ...content.querySelectorAll('*')]) {
      part.removeAttribute('id');
      if (part.getAttribute('role') === 'listitem') part.removeAttribute('role'); // the list is elsewhere
      part.hidden = false;
    }
    content.querySelectorAll('a[href]').forEach(link => link.replaceWith(...link.childNodes));
  }

  function close() {
    clearTimeout(timer);
    box?.remove();
    shownFor?.removeAttribute('aria-describedby');
    box = shownFor = undefined;
  }

  async function open(link) {
    const content = await contentFor(link);
    if (!content || link !== wanted) return;
    close();
    clean(content);
    box = document.createElement('div');
    box.className = 'preview bd-article';
    box.id = 'preview';
    box.setAttribute('role', 'tooltip');
    box.append(content);
    box.addEventListener('pointerenter', () => clearTimeout(timer));
    box.addEventListener('pointerleave', later);
    (document.querySelector('main') ?? document.body).append(box);
    link.setAttribute('aria-describedby', 'preview');
    shownFor = link;
    const place = link.getBoundingClientRect();
    const { width, height } = box.getBoundingClientRect();
    const left = Math.max(8, Math.min(place.left, document.documentElement.clientWidth - width - 8));
    const below = place.bottom + 6;
    const top = below + height <= innerHeight || place.top < height + 6 ? below : place.top - height - 6;
    const frame = box.offsetParent ?? document.body;
    const origin = frame.getBoundingClientRect();
    const still = frame === document.body; // the page itself is the frame, wherever it is scrolled to
    box.style.left = `${left - (still ? -scrollX : origin.left)}px`;
    box.style.top = `${top - (still ? -scrollY : origin.top)}px`;
  }

  let wanted;
  const later = () => {
    wanted = undefined;
    clearTimeout(timer);
    timer = setTimeout(close, WAIT);
  };
  const linkOf = event => event.target.closest?.('.bd-article a.reference.internal[href*="#"]');

  function want(link, wait) {
    wanted = link;
    clearTimeout(timer);
    if (link !== shownFor) timer = setTimeout(() => open(link).catch(() => {}), wait);
  }

  document.addEventListener('pointerover', event => {
    if (event.pointerType === 'mouse' && linkOf(event)) want(linkOf(event), WAIT);
  });
  document.addEventListener('pointerout', event => { if (linkOf(event)) later(); });
  document.addEventListener('focusin', event => { if (linkOf(event)?.matches(':focus-visible')) want(linkOf(event), 0); });
  document.addEventListener('focusout', event => { if (linkOf(event)) later(); });
  document.addEventListener('keydown', event => { if (event.key === 'Escape') { wanted = undefined; close(); } });
})();
