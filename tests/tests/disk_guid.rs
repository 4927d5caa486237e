//! The disk GUID of a fresh image is replaced on the first boot: on the machine's own drives and nowhere
//! else, with everything else of the table kept bit for bit, while partitions of the disk are mounted.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use pilotlight_core::facts::Facts;
use pilotlight_core::facts::disks::TableState;
use pilotlight_core::model::Guid;
use pilotlight_core::op::Op;
use pilotlight_core::plan;
use pilotlight_sys::{DeviceMap, disks, fresh};
use pilotlight_tests::disk::LoopDevice;
use pilotlight_tests::uml::{Guest, loop_device};
use pilotlight_tests::{Answer, FirstBoot, pilotlight, tool};

const IMAGE: &str = "00000000-0000-0000-0000-000000000001";
const OTHER: &str = "11111111-2222-4333-8444-555555555555";
/// Bytes of the entries of a table.
const ARRAY: usize = 128 * 128;

/// Puts a table as an image has it on a device or file: slots with gaps, priority bits of a boot loader,
/// boot code.
fn write_image(to: &str, guid: &str, label: &str) {
    tool(&format!(
        "sgdisk --disk-guid={guid} --new=1:4096:+4M --typecode=1:ef00 --change-name=1:boot \
         --new=3:0:+4M --change-name=3:USR-A --attributes=3:set:48 --attributes=3:set:52 --attributes=3:set:56 \
         --new=6:0:+16M --change-name=6:{label} --new=9:0:+4M --change-name=9:last {to}"
    ));
    let device = File::options().write(true).open(to).unwrap();
    device.write_all_at(&[0xa5; 440], 0).unwrap();
    device.sync_all().unwrap();
}

fn bytes(of: &str, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let file = File::open(of).unwrap();
    file.read_exact_at(&mut bytes, at).unwrap();
    bytes
}

fn entries(of: &str) -> Vec<u8> {
    bytes(of, 1024, ARRAY)
}

fn guid(of: &str) -> String {
    let said = tool(&format!("sgdisk --print {of}"));
    let line = said.lines().find(|line| line.contains("(GUID)")).unwrap();
    line.rsplit(' ').next().unwrap().to_lowercase()
}

/// Both copies are whole, at the disk's ends, and hold these entries.
fn is_whole(of: &str, size: u64, expected: &[u8]) {
    assert_eq!(entries(of), expected);
    assert_eq!(bytes(of, size - 512 - ARRAY as u64, ARRAY), expected);
    assert_eq!(bytes(of, 0, 440), [0xa5; 440]);
    let said = tool(&format!("sgdisk --verify {of}"));
    assert!(said.contains("No problems found"), "{said}");
}

/// The disks stage of a first boot whose config names no disk.
fn disks_stage(cmdline: &str) -> Answer {
    let _ = fs::remove_dir_all("/run/boot");
    let config = br#"{ "ignition": { "version": "3.4.0" } }"#;
    let boot = FirstBoot::new(Path::new("/run/boot"), Path::new("/run/newroot"), config);
    fs::write("/run/boot/cmdline", cmdline).unwrap();
    let answer = boot.stages(&["fetch-offline", "disks"]);
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    answer
}

fn replaced(answer: &Answer) -> usize {
    answer.out.matches("  replace the disk GUID ").count()
}

fn on_the_first_boot(mut guest: Guest) {
    let [image, data, named] = [32, 32, 32].map(|mib| guest.disk(mib));
    let file = "/run/file.img";
    guest.boot(|| {
        write_image(&image, IMAGE, "OEM");
        write_image(&data, IMAGE, "oem");
        write_image(&named, OTHER, "ROOT");
    });
    // The image was written to a larger disk.
    let size = 48 << 20;
    guest.on_host(|| {
        let disk = File::options().write(true).open(guest.image(&image));
        disk.unwrap().set_len(size).unwrap();
    });
    guest.boot(|| {
        File::create(file).unwrap().set_len(32 << 20).unwrap();
        write_image(file, IMAGE, "ROOT");
        let looped = loop_device(file, 512);
        let before = entries(&image);
        let others = [&data, &named, &looped].map(|disk| (disk, bytes(disk, 0, 32 << 20)));
        tool(&format!("mkfs.ext4 -q {image}6"));
        tool(&format!("mount {image}6 /mnt"));
        fs::write("/mnt/file", "precious").unwrap();

        let answer = disks_stage("quiet");
        assert_eq!(replaced(&answer), 1, "{}", answer.out);
        assert!(answer.out.contains("the disk has grown"), "{}", answer.out);
        let fresh = guid(&image);
        assert_ne!(fresh, IMAGE);
        // Random, by RFC 9562.
        assert_eq!(&fresh[14..15], "4", "{fresh}");
        is_whole(&image, size, &before);
        assert_eq!(fs::read_to_string("/mnt/file").unwrap(), "precious");
        for (disk, bytes_before) in &others {
            assert!(bytes(disk, 0, 32 << 20) == *bytes_before, "{disk} changed");
        }

        // Once more, and with an argument that names what is not there any more.
        for cmdline in [
            "",
            &format!("flatcar.randomize_disk_guid={IMAGE}"),
            "flatcar.randomize_disk_guid=x",
        ] {
            assert_eq!(replaced(&disks_stage(cmdline)), 0);
        }
        assert_eq!(guid(&image), fresh);
        let before = entries(&named);
        assert_eq!(
            replaced(&disks_stage(&format!(
                "flatcar.randomize_disk_guid={OTHER} ro"
            ))),
            1
        );
        assert!(![OTHER, IMAGE].contains(&guid(&named).as_str()));
        is_whole(&named, 32 << 20, &before);
        assert_eq!(guid(&image), fresh);
        assert_eq!(guid(&data), IMAGE);
        tool("umount /mnt");
    });
}

#[test]
fn a_fresh_image_gets_a_guid_on_the_first_boot_without_udev() {
    on_the_first_boot(Guest::new());
}

#[test]
fn a_fresh_image_gets_a_guid_on_the_first_boot_with_udev() {
    on_the_first_boot(Guest::with_udev());
}

#[test]
fn the_prediction_comes_true_with_any_sectors() {
    for sector in [512, 4096] {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(48 << 20).unwrap();
        let device = LoopDevice::with_sectors(image.path(), sector);
        let node = device.node.as_str();
        tool(&format!(
            "sgdisk --disk-guid={IMAGE} --new=2:0:+4M --change-name=2:EFI-SYSTEM --attributes=2:set:2 --new=9:0:0 {node}"
        ));
        // A loop device is looked at only when it is named.
        let images = DeviceMap::from([(node.to_string(), node.into())]);
        let wanted = Guid::parse(IMAGE).unwrap();
        let observe = |images: &DeviceMap| {
            let mut facts = Facts::default();
            facts.disks.fresh = fresh::observe(wanted, images);
            facts
        };
        assert!(!observe(&DeviceMap::new()).disks.fresh.contains_key(node));
        let other = Guid::parse(OTHER).unwrap();
        assert!(fresh::observe(other, &images).is_empty());
        let array = 2 * sector;
        let kept = bytes(node, array, ARRAY);
        let facts = observe(&images);
        let plan = plan::disks::plan(&[], &facts).unwrap();
        assert_eq!(plan.steps.len(), 1, "{plan:?}");
        let Op::Disk(op) = &plan.steps[0].op else {
            panic!("{plan:?}")
        };
        disks::apply(op).unwrap();
        // The state that it was planned on is gone.
        let again = disks::apply(op).unwrap_err().to_string();
        assert!(
            again.contains("has changed since the plan was made"),
            "{again}"
        );
        let after = observe(&images);
        assert_eq!(after.disks.fresh, plan.predict(facts).disks.fresh);
        assert!(plan::disks::plan(&[], &after).unwrap().is_empty());
        assert_eq!(bytes(node, array, ARRAY), kept);
        let last = (48 << 20) - sector - ARRAY as u64;
        assert_eq!(bytes(node, last, ARRAY), kept);
        assert!(tool(&format!("sgdisk --verify {node}")).contains("No problems found"));
        let table = gptman::GPT::read_from(&mut File::open(node).unwrap(), sector).unwrap();
        assert_eq!(table.header.disk_guid[7] >> 4, 4, "{:?}", table.header);
        let path = pilotlight_core::model::SysPath::parse(node).unwrap();
        let none = DeviceMap::new();
        let request = disks::Request {
            required: &[&path],
            optional: &[],
            images: &none,
            wait: std::time::Duration::ZERO,
        };
        let seen = disks::observe(request).unwrap();
        let TableState::Gpt(table) = &seen.blocks[node].table else {
            panic!()
        };
        assert_eq!(table.partitions[&2].attributes, 4);
    }
}

#[test]
fn the_dry_run_shows_it_for_images_that_stand_for_disks() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    let (image, config) = (at("image"), at("config.ign"));
    fs::write(&config, r#"{ "ignition": { "version": "3.4.0" } }"#).unwrap();
    File::create(&image).unwrap().set_len(64 << 20).unwrap();
    write_image(&image, IMAGE, "ROOT");
    let before = fs::read(&image).unwrap();
    let disk = format!("{image}=/dev/vda");
    let answer = pilotlight(&["plan", "--disk", &disk, &config]);
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    let line = format!("  replace the disk GUID {IMAGE} of /dev/vda by a random one\n");
    assert!(answer.out.contains(&line), "{}", answer.out);
    assert!(
        answer.out.contains("none of which destroys data"),
        "{}",
        answer.out
    );
    assert!(fs::read(&image).unwrap() == before);
}
