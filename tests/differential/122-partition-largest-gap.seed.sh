sgdisk --new=1:2048:+100M --new=2:0:+1500M --new=3:0:+200M --delete=2 "$2" >/dev/null
partx --update --nr 1:128 "$2"
