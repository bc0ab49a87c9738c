"""The gateway: the page and the WebSocket it speaks."""
