"""Record of EMQX hot upgrades: rules, events, drivers and their proof."""
