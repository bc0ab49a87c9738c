"""The demo region: greater Tokyo to Hakone, built from package gazetteers and the fact tables in this folder.

Stations, municipalities, interchanges and landmarks are real; roads between them are generated; restaurants, shops and hotels
are invented. `build.build_demo_region` makes the map.
"""
