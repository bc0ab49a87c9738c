"""Values in what a driver says: conditions and their polarity, places, names, times, amounts, choices.

`extract(text, language, gazetteer)` is the whole of it as a plain function; `component.ValueExtractor` is the same as a Rasa graph
component. All surface forms are data (`nlu_data/inventories`); the modules here hold the grammar.
"""
