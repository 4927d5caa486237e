platform=metal
host_name=
keys=""
