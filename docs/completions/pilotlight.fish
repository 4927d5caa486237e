# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pilotlight_global_optspecs
    string join \n h/help V/version
end

function __fish_pilotlight_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pilotlight_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pilotlight_using_subcommand
    set -l cmd (__fish_pilotlight_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pilotlight -n "__fish_pilotlight_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -s V -l version -d 'Print version'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "plan" -d 'Show what a config would do, operation by operation with the reason, without touching anything'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "apply" -d 'Write a config\'s files, directories, links, users and units into a directory tree'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "validate" -d 'Check configs and point at every mistake'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "convert" -d 'Turn a config of any language into Ignition JSON of a chosen version, or into a MachineConfig'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "schema" -d 'Print the JSON schema of a version of the Ignition specification'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "report" -d 'Show what the stages of this boot did'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "detect" -d 'Say which platform this machine is of, and from which evidence'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "metadata" -d 'Show what the platform says of this machine: names, addresses, SSH keys'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "oem" -d 'The cloud\'s part of a running machine: the network that the platform wants, keys, names, attributes'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "rmcfg" -d 'Take the user config, which may hold secrets, away from where the hypervisor keeps it (vmware, virtualbox)'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "install" -d 'Write an OS image to a disk, with the config that its first boot reads'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "image" -d 'Look into image files, and put configs into them'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "finish" -d 'Finish the encrypted volumes of a first boot that was cut short at its very end'
complete -c pilotlight -n "__fish_pilotlight_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand plan" -l language -d 'The config\'s language; without it, what the content says' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand plan" -s d -l files-dir -d 'Where Butane\'s local: files and trees: are' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand plan" -l disk -d 'Let a disk image stand for a device of the config; may be given several times' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand plan" -l root -d 'Compare with the tree below this directory; without it, with an empty root' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand plan" -l metadata -d 'Show the files that come from the platform too: what it says of the machine, as "pilotlight metadata --json" prints it' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand plan" -l platform -d 'The platform that says it' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand plan" -l svg -d 'Draw the disks before and after as an SVG picture in this file' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand plan" -l strict -d 'Make errors of warnings'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand plan" -l json -d 'Print JSON'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand plan" -l offline -d 'Do not fetch anything from the network'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand plan" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand apply" -l language -d 'The config\'s language; without it, what the content says' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand apply" -s d -l files-dir -d 'Where Butane\'s local: files and trees: are' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand apply" -l root -d 'The directory tree to write to' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand apply" -l strict -d 'Make errors of warnings'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand apply" -l offline -d 'Do not fetch anything from the network'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand apply" -l ignore-unsupported -d 'Pass over disks, file systems and kernel arguments'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand apply" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand validate" -l language -d 'The config\'s language; without it, what the content says' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand validate" -s d -l files-dir -d 'Where Butane\'s local: files and trees: are' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand validate" -l strict -d 'Make errors of warnings'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand validate" -l json -d 'Print JSON'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand validate" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand convert" -l language -d 'The config\'s language; without it, what the content says' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand convert" -s d -l files-dir -d 'Where Butane\'s local: files and trees: are' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand convert" -l to -d 'The version of the Ignition specification, as in 3.4; 3.6 unless the config is one of OpenShift\'s, which becomes a MachineConfig' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand convert" -s o -l output -d 'Write to this file' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand convert" -l strict -d 'Make errors of warnings'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand convert" -s p -l pretty -d 'Indent the JSON'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand convert" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand schema" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand report" -l state -d 'The state that the stages wrote' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand report" -l svg -d 'Draw the timeline into this file as well' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand report" -l json -d 'Print JSON'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand report" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand detect" -l root -d 'Look at sys and proc below this directory' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand detect" -l cmdline -d 'Read the kernel command line from this file instead of proc/cmdline' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand detect" -l json -d 'Print JSON, with all evidence'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand detect" -l env -d 'Print OEM_ID, PLATFORM_ID and FIRST_BOOT (no, asked, detected) for the initramfs'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand detect" -l words -d 'Print the words of the kernel command line, one a line, without their quotation marks'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand detect" -l network-kargs -d 'Print the network arguments that the hypervisor has for this machine, one a line'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand detect" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand metadata" -l platform -d 'The platform; without it, the one that \\"pilotlight detect\\" says' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand metadata" -l attributes -d 'Write the attributes to this file instead of printing what the platform says' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand metadata" -l network-units -d 'Write units of systemd-networkd to this directory instead, where the network does not tell what they have: those that the first boot writes to /etc/systemd/network' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand metadata" -l json -d 'Print JSON'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand metadata" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and not __fish_seen_subcommand_from once run show plan help" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and not __fish_seen_subcommand_from once run show plan help" -f -a "once" -d 'Do once what a boot needs of the platform: files of attributes, the host name, SSH keys, network units, and the word that the machine is up'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and not __fish_seen_subcommand_from once run show plan help" -f -a "run" -d 'Keep it true until stopped: the daemon of pilotlight-oem-network.service'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and not __fish_seen_subcommand_from once run show plan help" -f -a "show" -d 'Show what the platform wants, what is there, and the difference'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and not __fish_seen_subcommand_from once run show plan help" -f -a "plan" -d 'Show what the next round would do'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and not __fish_seen_subcommand_from once run show plan help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from once" -l provider -l platform -d 'The platform, by a name that Afterburn, Flatcar or pilotlight has for it' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from once" -l attributes -d 'Write the attributes to this file' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from once" -l flatcar-attributes -d 'Write the attributes to this file by Flatcar\'s names, and make "coreos" beside it a link to it' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from once" -l hostname -d 'Write the host name to this file, where the platform gives one' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from once" -l network-units -d 'Write units of systemd-networkd to this directory, where the network does not tell what they have' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from once" -l ssh-keys -d 'Give this user the SSH keys of the platform' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from once" -l timeout -d 'How long the platform is waited for at most' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from once" -l cmdline -d 'The platform is the one that the kernel command line names, and nothing else is looked at'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from once" -l check-in -d 'Tell the platform that the machine is up, where it wants to know'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from once" -l set-hostname -d 'Give the running machine its host name, where neither /etc/hostname nor the network has: that of the platform, or rpi4-SERIAL on a Raspberry Pi'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from once" -l applies -d 'Only say by the exit code whether the platform has something for any of these jobs; nobody is asked'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from once" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from run" -l platform -d 'The platform; without it, the one that is detected' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from run" -l state -d 'Where the daemon keeps the platform\'s last good answer' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from run" -l only -d 'Keep only this true' -r -f -a "network\t'Routes, addresses and rules'
keys\t'Users\' SSH keys'
clock\t'The time of day, after the machine was moved to another host'"
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from run" -l metrics -d 'Write figures for node-exporter\'s text file collector to this file' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from show" -l platform -d 'The platform; without it, the one that is detected' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from show" -l state -d 'Where the daemon keeps the platform\'s last good answer' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from show" -l metadata -d 'What the platform said before, from a file that --save wrote, instead of asking it' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from show" -l svg -d 'Draw interfaces, rules and tables into this file as well, as SVG' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from plan" -l platform -d 'The platform; without it, the one that is detected' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from plan" -l state -d 'Where the daemon keeps the platform\'s last good answer' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from plan" -l metadata -d 'What the platform said before, from a file that --save wrote, instead of asking it' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from plan" -l save -d 'Write what the platform says of the network to this file, for --metadata' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from plan" -l json -d 'Print JSON'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from plan" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from help" -f -a "once" -d 'Do once what a boot needs of the platform: files of attributes, the host name, SSH keys, network units, and the word that the machine is up'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from help" -f -a "run" -d 'Keep it true until stopped: the daemon of pilotlight-oem-network.service'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show what the platform wants, what is there, and the difference'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from help" -f -a "plan" -d 'Show what the next round would do'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand oem; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s d -l device -d 'The disk, by any of its names, or a file that stands for one' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s e -l exclude -d 'Pass over disks with these major device numbers (with --smallest)' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s I -l include -d 'Look only at disks with these major device numbers (with --smallest)' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s V -l release-version -d 'Version of Flatcar: a number, current, or a name such as current-2024' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s B -l board -d 'Board of Flatcar: amd64-usr or arm64-usr' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s C -l channel -d 'Channel of Flatcar: stable, beta, alpha, lts' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s o -l oem -d 'OEM of Flatcar\'s image; \'\' for none, else that of the running system' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s b -l base-url -d 'A mirror instead of Flatcar\'s servers: VERSION/flatcar_production_image.bin.bz2 is below it' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s f -l image-file -d 'This image; "-" is standard input' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l image-url -d 'The image at this URL' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l stream -d 'The newest image of a stream of Fedora CoreOS or its kin' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l stream-base-url -d 'Where streams are described: NAME.json is below it' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l platform -d 'Platform of a stream\'s image' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l architecture -d 'Architecture of a stream\'s image, if not this machine\'s' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s i -l ignition-config -l ignition -l ignition-file -l ignition-url -d 'The config, in any language: a file, a URL, or "-" for standard input' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l language -d 'The config\'s language; without it, what the content says' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l files-dir -d 'Where Butane\'s local: files and trees: are' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l ignition-hash -d 'The config has to have this hash: sha256-... or sha512-...' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s c -l cloud-config -d 'A cloud-config for Flatcar\'s coreos-cloudinit, beside or instead of a config' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l authority -d 'Trust the authorities in this file for https: URLs as well (PEM)' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l append-karg -l append -d 'Add an argument to the kernel command line of every boot' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l delete-karg -l delete -d 'Take an argument away from it' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l console -d 'Consoles instead of the image\'s: ttyS1,115200n8, tty0' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l network-dir -d 'Copy network units from here' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l save-partlabel -d 'Keep partitions with this label, in which * and ? stand for others' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l save-partindex -d 'Keep partitions with these numbers: 5, 5-7, 5-, -7' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l firmware -d 'Its UEFI firmware: RPi4_UEFI_Firmware_vX.Y.zip, or a directory with the files of it' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l rpi4-ram-limit -d 'Whether memory above 3 GB is hidden' -r -f -a "on\t''
off\t''"
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s k -l key -d 'Keys that may have signed the image; without one, those in /etc/pilotlight/keys or /usr/share/pilotlight/keys with the fingerprint of Flatcar\'s release key' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l fingerprint -d 'Only keys with this fingerprint' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l signature -d 'The image\'s detached signature, a file or URL, if it is not beside the image with .sig behind its name' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l digest -d 'The image has to have this hash as it comes: sha256-... or sha512-...; a signature is not needed then' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l digests -d 'The image has to have the SHA512 that this file lists for its name, as Flatcar\'s DIGESTS do; a signature is not needed then' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l directory -d 'Where to (with --download-only)' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s s -l smallest -d 'Take the smallest disk of more than 10 GB that nobody uses'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l strict -d 'Make errors of the config\'s warnings'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l insecure-ignition -d 'Take the config from a http: URL without a hash'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s n -l copy-network -d 'Copy the running system\'s network units'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s u -l uefi -d 'Have the firmware start the disk: an entry of UEFI\'s boot menu, in the first place'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l rpi4 -d 'Make a card that a Raspberry Pi 4 boots from; the board is arm64-usr then, and there is no OEM'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l rpi4-dt -d 'Linux takes the device tree and not ACPI'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l insecure -d 'Take an image that nobody vouches for'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l release -d 'Take down RAID arrays, logical and encrypted volumes on the disk that nobody uses'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l read-back -d 'Read everything from the disk again and compare'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l yes -d 'Do not ask before something is lost'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l again -d 'Write the image though the disk has it already, with the same config'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s y -l dry-run -l plan -d 'Only show what would be done'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s D -l download-only -d 'Only download the image and verify it'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l offline -d 'Use no network'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -l json -d 'Print the plan, progress and results as lines of JSON'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s v -l verbose -d 'For scripts of flatcar-install; everything is said without it'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand install" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and not __fish_seen_subcommand_from inspect customize help" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and not __fish_seen_subcommand_from inspect customize help" -f -a "inspect" -d 'Show an image\'s partitions, and the config that lies in it'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and not __fish_seen_subcommand_from inspect customize help" -f -a "customize" -d 'Put a config and kernel arguments into an image that is not packed'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and not __fish_seen_subcommand_from inspect customize help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and __fish_seen_subcommand_from inspect" -l svg -d 'Draw it into this file as well, as SVG' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and __fish_seen_subcommand_from inspect" -l json -d 'Print JSON'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and __fish_seen_subcommand_from customize" -s i -l ignition-config -d 'The config, in any language: a file, a URL, or "-" for standard input' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and __fish_seen_subcommand_from customize" -l append-karg -d 'Add an argument to the kernel command line of every boot' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and __fish_seen_subcommand_from customize" -l delete-karg -d 'Take an argument away from it' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and __fish_seen_subcommand_from customize" -l console -d 'Consoles instead of the image\'s: ttyS1,115200n8, tty0' -r
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and __fish_seen_subcommand_from customize" -s y -l dry-run -d 'Only show what would be done'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and __fish_seen_subcommand_from customize" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "inspect" -d 'Show an image\'s partitions, and the config that lies in it'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "customize" -d 'Put a config and kernel arguments into an image that is not packed'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand image; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand finish" -l root -d 'The root, which lists them' -r -F
complete -c pilotlight -n "__fish_pilotlight_using_subcommand finish" -s h -l help -d 'Print help'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "plan" -d 'Show what a config would do, operation by operation with the reason, without touching anything'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "apply" -d 'Write a config\'s files, directories, links, users and units into a directory tree'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "validate" -d 'Check configs and point at every mistake'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "convert" -d 'Turn a config of any language into Ignition JSON of a chosen version, or into a MachineConfig'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "schema" -d 'Print the JSON schema of a version of the Ignition specification'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "report" -d 'Show what the stages of this boot did'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "detect" -d 'Say which platform this machine is of, and from which evidence'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "metadata" -d 'Show what the platform says of this machine: names, addresses, SSH keys'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "oem" -d 'The cloud\'s part of a running machine: the network that the platform wants, keys, names, attributes'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "rmcfg" -d 'Take the user config, which may hold secrets, away from where the hypervisor keeps it (vmware, virtualbox)'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "install" -d 'Write an OS image to a disk, with the config that its first boot reads'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "image" -d 'Look into image files, and put configs into them'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "finish" -d 'Finish the encrypted volumes of a first boot that was cut short at its very end'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and not __fish_seen_subcommand_from plan apply validate convert schema report detect metadata oem rmcfg install image finish help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and __fish_seen_subcommand_from oem" -f -a "once" -d 'Do once what a boot needs of the platform: files of attributes, the host name, SSH keys, network units, and the word that the machine is up'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and __fish_seen_subcommand_from oem" -f -a "run" -d 'Keep it true until stopped: the daemon of pilotlight-oem-network.service'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and __fish_seen_subcommand_from oem" -f -a "show" -d 'Show what the platform wants, what is there, and the difference'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and __fish_seen_subcommand_from oem" -f -a "plan" -d 'Show what the next round would do'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and __fish_seen_subcommand_from image" -f -a "inspect" -d 'Show an image\'s partitions, and the config that lies in it'
complete -c pilotlight -n "__fish_pilotlight_using_subcommand help; and __fish_seen_subcommand_from image" -f -a "customize" -d 'Put a config and kernel arguments into an image that is not packed'
