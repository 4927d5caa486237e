complete -c flatcar-install -s d -l device -d 'The disk, by any of its names, or a file that stands for one' -r -F
complete -c flatcar-install -s e -l exclude -d 'Pass over disks with these major device numbers (with --smallest)' -r
complete -c flatcar-install -s I -l include -d 'Look only at disks with these major device numbers (with --smallest)' -r
complete -c flatcar-install -s V -l release-version -d 'Version of Flatcar: a number, current, or a name such as current-2024' -r
complete -c flatcar-install -s B -l board -d 'Board of Flatcar: amd64-usr or arm64-usr' -r
complete -c flatcar-install -s C -l channel -d 'Channel of Flatcar: stable, beta, alpha, lts' -r
complete -c flatcar-install -s o -l oem -d 'OEM of Flatcar\'s image; \'\' for none, else that of the running system' -r
complete -c flatcar-install -s b -l base-url -d 'A mirror instead of Flatcar\'s servers: VERSION/flatcar_production_image.bin.bz2 is below it' -r
complete -c flatcar-install -s f -l image-file -d 'This image; "-" is standard input' -r -F
complete -c flatcar-install -l image-url -d 'The image at this URL' -r
complete -c flatcar-install -l stream -d 'The newest image of a stream of Fedora CoreOS or its kin' -r
complete -c flatcar-install -l stream-base-url -d 'Where streams are described: NAME.json is below it' -r
complete -c flatcar-install -l platform -d 'Platform of a stream\'s image' -r
complete -c flatcar-install -l architecture -d 'Architecture of a stream\'s image, if not this machine\'s' -r
complete -c flatcar-install -s i -l ignition-config -l ignition -l ignition-file -l ignition-url -d 'The config, in any language: a file, a URL, or "-" for standard input' -r
complete -c flatcar-install -l language -d 'The config\'s language; without it, what the content says' -r
complete -c flatcar-install -l files-dir -d 'Where Butane\'s local: files and trees: are' -r -F
complete -c flatcar-install -l ignition-hash -d 'The config has to have this hash: sha256-... or sha512-...' -r
complete -c flatcar-install -s c -l cloud-config -d 'A cloud-config for Flatcar\'s coreos-cloudinit, beside or instead of a config' -r
complete -c flatcar-install -l authority -d 'Trust the authorities in this file for https: URLs as well (PEM)' -r -F
complete -c flatcar-install -l append-karg -l append -d 'Add an argument to the kernel command line of every boot' -r
complete -c flatcar-install -l delete-karg -l delete -d 'Take an argument away from it' -r
complete -c flatcar-install -l console -d 'Consoles instead of the image\'s: ttyS1,115200n8, tty0' -r
complete -c flatcar-install -l network-dir -d 'Copy network units from here' -r -F
complete -c flatcar-install -l save-partlabel -d 'Keep partitions with this label, in which * and ? stand for others' -r
complete -c flatcar-install -l save-partindex -d 'Keep partitions with these numbers: 5, 5-7, 5-, -7' -r
complete -c flatcar-install -l firmware -d 'Its UEFI firmware: RPi4_UEFI_Firmware_vX.Y.zip, or a directory with the files of it' -r -F
complete -c flatcar-install -l rpi4-ram-limit -d 'Whether memory above 3 GB is hidden' -r -f -a "on\t''
off\t''"
complete -c flatcar-install -s k -l key -d 'Keys that may have signed the image; without one, those in /etc/pilotlight/keys or /usr/share/pilotlight/keys with the fingerprint of Flatcar\'s release key' -r -F
complete -c flatcar-install -l fingerprint -d 'Only keys with this fingerprint' -r
complete -c flatcar-install -l signature -d 'The image\'s detached signature, a file or URL, if it is not beside the image with .sig behind its name' -r
complete -c flatcar-install -l digest -d 'The image has to have this hash as it comes: sha256-... or sha512-...; a signature is not needed then' -r
complete -c flatcar-install -l digests -d 'The image has to have the SHA512 that this file lists for its name, as Flatcar\'s DIGESTS do; a signature is not needed then' -r -F
complete -c flatcar-install -l directory -d 'Where to (with --download-only)' -r -F
complete -c flatcar-install -s t -d 'Accepted as the script has it: nothing is kept in a temporary place' -r -F
complete -c flatcar-install -s s -l smallest -d 'Take the smallest disk of more than 10 GB that nobody uses'
complete -c flatcar-install -l strict -d 'Make errors of the config\'s warnings'
complete -c flatcar-install -l insecure-ignition -d 'Take the config from a http: URL without a hash'
complete -c flatcar-install -s n -l copy-network -d 'Copy the running system\'s network units'
complete -c flatcar-install -s u -l uefi -d 'Have the firmware start the disk: an entry of UEFI\'s boot menu, in the first place'
complete -c flatcar-install -l rpi4 -d 'Make a card that a Raspberry Pi 4 boots from; the board is arm64-usr then, and there is no OEM'
complete -c flatcar-install -l rpi4-dt -d 'Linux takes the device tree and not ACPI'
complete -c flatcar-install -l insecure -d 'Take an image that nobody vouches for'
complete -c flatcar-install -l release -d 'Take down RAID arrays, logical and encrypted volumes on the disk that nobody uses'
complete -c flatcar-install -l read-back -d 'Read everything from the disk again and compare'
complete -c flatcar-install -l yes -d 'Do not ask before something is lost'
complete -c flatcar-install -l again -d 'Write the image though the disk has it already, with the same config'
complete -c flatcar-install -s y -l dry-run -l plan -d 'Only show what would be done'
complete -c flatcar-install -s D -l download-only -d 'Only download the image and verify it'
complete -c flatcar-install -l offline -d 'Use no network'
complete -c flatcar-install -l json -d 'Print the plan, progress and results as lines of JSON'
complete -c flatcar-install -s v -l verbose -d 'For scripts of flatcar-install; everything is said without it'
complete -c flatcar-install -s h -l help -d 'Print help'
