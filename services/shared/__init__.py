"""The small shared room: nothing here knows telephony, or a service but for `rpc/callers.py`, which asks intake who calls. A thing comes in at its second user."""
