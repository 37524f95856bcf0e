"""The synthetic city and the story told over it by `louver-sandbox demo`."""
