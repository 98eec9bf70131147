# Read by every Python of the gateway as it starts: the file that is to be put in place last is not put there.
import os
import time

rename = os.rename


def hang(source, target, **options):
    if os.path.basename(target) == "two.conf":
        with open("/var/tmp/hangs", "w") as file:
            file.write(str(os.getpid()))
        time.sleep(600)
    rename(source, target, **options)


os.rename = hang
