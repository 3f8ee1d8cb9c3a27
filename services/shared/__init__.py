"""The small shared room: nothing here knows telephony or a service. A thing comes in at its second user."""
