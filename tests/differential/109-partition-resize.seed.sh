sgdisk --new=1:2048:+64M --change-name=1:one --partition-guid=1:11111111-2222-4333-8444-555555555501 --attributes=1:set:2 --new=2:0:+100M --change-name=2:two --typecode=2:C12A7328-F81F-11D2-BA4B-00A0C93EC93B --new=3:0:+200M --change-name=3:three --new=9:0:+50M --change-name=9:nine "$2" >/dev/null
partx --update --nr 1:128 "$2"
