"""intake validates and stores calls, once each, and carries them to their end."""
