"""Runs the generator: `python -m nlu_data.grammar`."""

import sys

from nlu_data.grammar.generate import main

sys.exit(main())
