// A page that moves says how tall it is, and its frame in the lesson follows.
addEventListener("message", (event) => {
  const height = Number(event.data?.height);
  for (const frame of document.querySelectorAll(".moving iframe")) {
    if (event.source === frame.contentWindow && height > 0) frame.style.height = `${Math.ceil(height)}px`;
  }
});
