"""Receives on the system's log socket and prints each message as a JSON string; removes the socket when stdin ends."""

import json
import os
import socket
import sys
import threading

PATH = "/dev/log"


def receive(log_socket):
    while True:
        print(json.dumps(log_socket.recv(65536).decode()), flush=True)


server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind(PATH)
try:
    print(json.dumps("ready"), flush=True)
    threading.Thread(target=receive, args=(server,), daemon=True).start()
    sys.stdin.read()
finally:
    os.unlink(PATH)
