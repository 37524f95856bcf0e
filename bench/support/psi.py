"""The peer of `bench.matching`: for each line on standard input one set-up and its processor time, in seconds."""

import sys
import time

import private_set_intersection.python as psi

items = [f"91370200MA{number:07d}X" for number in range(int(sys.argv[1]))]
for _ in sys.stdin:
    server = psi.server.CreateWithNewKey(True)
    begin = time.process_time()
    server.CreateSetupMessage(1e-9, 10_000, items, psi.DataStructure.GCS)
    print(time.process_time() - begin, flush=True)
