ln -s ../home "$1/usr/home"
