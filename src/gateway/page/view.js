// What all views share: a view works only while it is looked at and the gateway is there.

/** Runs `refresh` at once and every so often while the view is visible and online. */
export function polled(refresh, everyMs) {
  let [isVisible, isOnline, timer, isBusy] = [false, false, null, false];
  const isWanted = () => isVisible && isOnline && !document.hidden;
  async function look() {
    clearTimeout(timer);
    if (!isWanted() || isBusy) return;
    isBusy = true;
    try {
      await refresh();
    } finally {
      isBusy = false;
      if (isWanted()) timer = setTimeout(look, everyMs);
    }
  }
  document.addEventListener("visibilitychange", look);
  return {
    look,
    visible(is) {
      isVisible = is;
      look();
    },
    online(is) {
      isOnline = is;
      look();
    },
  };
}

/** Does something soon, once for many wishes. */
export function soon(act, afterMs = 200) {
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      act();
    }, afterMs);
  };
}
