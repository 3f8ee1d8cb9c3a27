"""media downloads recordings, judges them and makes them listenable. It keeps no state of its own."""
