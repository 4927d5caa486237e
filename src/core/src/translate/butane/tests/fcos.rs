use super::*;

fn fcos(version: &str) -> String {
    format!("variant: fcos\nversion: {version}")
}

/// What is said, without the file's name.
fn said(version: &str, sections: &str) -> Vec<String> {
    let (_, said) = read(&fcos(version), sections);
    said.into_iter()
        .map(|line| line.replace("c.bu:", ""))
        .collect()
}

#[test]
fn layouts_are_those_of_the_version() {
    let sections = "boot_device: {layout: s390x-virt, luks: {tpm2: true}}";
    assert_eq!(
        said("1.5.0", sections),
        ["3:23: error: the layout s390x-virt is not part of fcos 1.5.0"]
    );
    assert!(said("1.6.0", sections).is_empty());
}

#[test]
fn a_mirror_names_its_layout() {
    let sections = "boot_device: {mirror: {devices: [/dev/sda, /dev/sdb]}}";
    let expected = "the mirror does not say the layout of its disks";
    assert_eq!(
        said("1.6.0", sections),
        [format!("3:23: warning: {expected}")]
    );
    assert_eq!(
        said("1.7.0", sections),
        [format!("3:23: error: {expected}")]
    );
}

#[test]
fn an_encrypted_boot_device_can_be_opened() {
    for (version, luks, expected) in [
        (
            "1.6.0",
            "{discard: true}",
            &["3:37: warning: luks names nothing that opens the volume: the root is not encrypted"]
                [..],
        ),
        (
            "1.7.0",
            "{device: /dev/sda}",
            &["3:37: error: luks names nothing that opens the volume: the root is not encrypted"],
        ),
        ("1.7.0", "{tpm2: false}", &[]),
        (
            "1.6.0",
            "{cex: {enabled: true}}",
            &["3:43: error: only s390x has CEX cards, the layout is x86_64"],
        ),
    ] {
        let sections = format!("boot_device: {{layout: x86_64, luks: {luks}}}");
        assert_eq!(said(version, &sections), expected, "{luks}");
    }
    assert_eq!(
        said(
            "1.6.0",
            "boot_device: {layout: s390x-virt, luks: {cex: {enabled: true}, tpm2: true}}"
        ),
        ["3:41: error: a CEX card and Clevis cannot open the same volume"]
    );
}

#[test]
fn mount_units_are_for_what_is_writable() {
    let sections = |path: &str| {
        format!(
            "storage: {{filesystems: [{{device: /dev/vdb, format: ext4, path: {path}, with_mount_unit: true}}]}}"
        )
    };
    for path in ["/var", "/var/lib/data", "/etc/x"] {
        assert!(said("1.7.0", &sections(path)).is_empty(), "{path}");
    }
    for path in ["/srv", "/varnish", "/foo/var"] {
        assert_eq!(
            said("1.6.0", &sections(path)),
            [format!(
                "3:64: error: {path} is neither in /etc nor in /var, where Fedora CoreOS keeps what may change"
            )]
        );
        assert!(said("1.5.0", &sections(path)).is_empty(), "{path}");
    }
    assert!(read(FLATCAR, &sections("/srv")).1.is_empty());
}

#[test]
fn partitions_of_the_boot_disk_are_known_by_their_numbers() {
    let disk = |device: &str, partitions: &str| {
        format!("storage: {{disks: [{{device: {device}, partitions: [{partitions}]}}]}}")
    };
    let boot = "/dev/disk/by-id/coreos-boot-disk";
    for (device, partitions, expected) in [
        (
            boot,
            "{number: 4, label: root, size_mib: 8192, resize: true}, {label: var}",
            &[][..],
        ),
        (
            boot,
            "{number: 4, label: root, size_mib: 4096, resize: true}",
            &["3:110: warning: root has 4096 MiB, Fedora CoreOS needs 8192"],
        ),
        (
            boot,
            "{number: 4, label: root}, {label: var}",
            &["3:94: warning: root fills its disk, but another partition takes what is free"],
        ),
        (
            boot,
            "{number: 4, label: root}, {label: var, start_mib: 20480}",
            &[],
        ),
        (
            boot,
            "{number: 5, label: root, size_mib: 8192}",
            &[
                "3:94: warning: the partition root of Fedora CoreOS is number 4: this one is made beside it",
            ],
        ),
        (
            "/dev/vdb",
            "{label: data}",
            &[
                "3:59: warning: the partition has no number: Ignition would make it anew, only pilotlight finds it by its label",
            ],
        ),
        ("/dev/vdb", "{number: 1, label: data}", &[]),
    ] {
        assert_eq!(
            said("1.7.0", &disk(device, partitions)),
            expected,
            "{partitions}"
        );
    }
    assert!(said("1.5.0", &disk("/dev/vdb", "{label: data}")).is_empty());
    let mirrored = "boot_device: {layout: x86_64, mirror: {devices: [/dev/sda, /dev/sdb]}}
storage: {disks: [{device: /dev/sda, partitions: [{label: var-1}]}]}";
    assert!(said("1.7.0", mirrored).is_empty());
}
