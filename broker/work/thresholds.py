"""Every number that decides what counts as what. Published in docs/work.md; a change changes everybody's hours.

Durations are milliseconds, lengths centimetres, speeds cm/s: whole numbers, so that sums do not depend on their order.
"""

from typing import Final

# ------------------------------------------------------------------ motion

# Above this a pair of fixes moves, below the lower one it stands, in between it goes on as before. The Doppler speed of
# a receiver that stands is about 10 cm/s; excavators travel at 3 to 5 km/h (80 to 140 cm/s), so that the 150 cm/s of
# the box's own parked anchor would be too much here.
MOVES_CMPS: Final = 100
STANDS_CMPS: Final = 50

# Speed from positions, where the receiver gives none: over this long for the border's sake, and over that long for the
# wandering's sake. 5-digit minutes at 1 Hz jump by 100 cm/s in every second epoch.
NEAR_MS: Final = 6_000
WIDE_MS: Final = 30_000

# A movement that stays within this is none: wandering at rest, a machine that shifts about its site, a car parked anew.
# The box's parked anchor takes 75 m for wandering. Traccar asks 500 m of a trip (Keys.java, report.trip.*); fire
# stations and building sites of Jakarta are nearer to each other than that.
TRAVEL_MIN_CM: Final = 10_000

# The same with the ignition known to be off all the while: then it has to be carried away.
TOWED_MIN_CM: Final = 50_000

# Standing shorter than this between two movements is traffic: the journey goes on. Traccar's newer rule has the same
# (report.trip.stopDuration), its older one 300 s.
STOP_MS: Final = 180_000

# ------------------------------------------------------------------ what was observed

# Without a fix for longer than this, nobody knows where it was: the same 60 s after which a box says `fix_lost`.
GAP_MS: Final = 60_000

# A parked box reports each 600 s (decision 12), and one report may be late by a minute.
PARKED_GAP_MS: Final = 660_000

# In one record all is observed between two fixes that thinning left, when the receiver gave epochs at this pace or
# faster; NMEA receivers go down to 0.2 Hz.
EPOCH_MAX_MS: Final = 5_000

# A record whose time is not known to this is no evidence of hours.
DOUBT_MAX_S: Final = 60.0

# What the receiver itself hardly vouches for: the limits of the box's own gate (edge/gps_unit/motion.py).
HDOP_MAX_C: Final = 1_000
SATS_MIN: Final = 3

# No land vehicle of a city goes faster; with this slack a fix neither neighbour can reach is left out (JumpFilter).
SPEED_MAX_CMPS: Final = 7_000
JUMP_SLACK_CM: Final = 3_000

# ------------------------------------------------------------------ inputs

# What was said of an input holds while the box is seen, until something else is said, at most this long: a box says
# its levels once a day at least, and an hour more is for the record to be made.
LEVEL_HOLDS_MS: Final = 90_000_000

# The same level on both sides of a hole no longer than this has held all through it: a power cut takes up to 600 s of a
# parked box's last report with it, and a Raspberry Pi with its receiver takes a minute or two to come back.
RESTART_MS: Final = 780_000

# ------------------------------------------------------------------ sessions

# Power take-off that rests shorter than this, engine on, is still work: a bucket waits for the next truck.
WORK_PAUSE_MS: Final = 120_000

# Ignition that is off shorter than this between two of the same is a starter's dip, or the key turned once more.
FLICKER_MS: Final = 30_000

# A journey goes on over this much that nobody saw, if it was elsewhere afterwards: tunnels, basements, a box that
# starts anew. Traccar waits for 3600 s (report.trip.stopGap), longer than most stops are.
TRIP_GAP_MS: Final = 900_000

# ------------------------------------------------------------------ areas

# It is out of an area when it is farther than this from it, and was in it when it was as deep: two receivers' errors
# beside tall houses. Traccar's polyline geofences are as wide.
AREA_BAND_CM: Final = 2_500

# After this long next to the border it is where it seems to be, in or out: hysteresis is for wandering and for driving
# along, not for who parks across the street.
AREA_RETURN_MS: Final = 600_000
