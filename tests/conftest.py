"""Settings of the whole suite.

Examples of a property have no deadline: two workers share the machine with whatever else runs.
In CI they are derandomised, so that a red run is red again.
"""

import os

from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
