"""Events: ``recording`` takes them in, ``reading`` lists them, ``metrics`` counts them, ``dead_letters`` keeps the others."""
