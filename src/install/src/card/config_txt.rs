//! `config.txt`, which the Raspberry Pi's own boot loader reads before the firmware.

/// The line that device-tree mode needs: without it devices behind PCIe, USB among them, write beyond what they reach.
pub const PCIE: &str = "dtoverlay=pcie-32bit-dma";
/// The boot loader reads no longer files than this.
pub const MOST: usize = 64 << 10;

/// Adds the overlay that device-tree mode needs, in a section that holds for every board; the file itself where it has
/// it there already. None where it is too long, or no text.
pub fn with_device_tree(text: &[u8]) -> Option<Vec<u8>> {
    let said = std::str::from_utf8(text)
        .ok()
        .filter(|said| said.len() <= MOST)?;
    // What holds for every board, or for this one: a filter reaches to the next.
    let mut holds = true;
    for line in said.lines().map(str::trim) {
        if line.starts_with('[') {
            holds = matches!(line, "[all]" | "[pi4]");
        } else if holds && line.split('#').next().map(str::trim) == Some(PCIE) {
            return Some(text.to_vec());
        }
    }
    let mut with = said.to_owned();
    let end = if said.contains("\r\n") { "\r\n" } else { "\n" };
    if !with.is_empty() && !with.ends_with('\n') {
        with.push_str(end);
    }
    if !holds {
        with.push_str("[all]");
        with.push_str(end);
    }
    with.push_str(PCIE);
    with.push_str(end);
    Some(with.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overlay_is_added_once() {
        let rows: [(&str, Option<&str>); 8] = [
            ("", Some("dtoverlay=pcie-32bit-dma\n")),
            ("a=1", Some("a=1\ndtoverlay=pcie-32bit-dma\n")),
            ("a=1\r\n", Some("a=1\r\ndtoverlay=pcie-32bit-dma\r\n")),
            ("[all]\n dtoverlay=pcie-32bit-dma # usb\n", None),
            ("[pi3]\nb=2\n[pi4]\ndtoverlay=pcie-32bit-dma\n", None),
            // For another board, or said to nobody.
            (
                "[pi3]\ndtoverlay=pcie-32bit-dma\n",
                Some("[pi3]\ndtoverlay=pcie-32bit-dma\n[all]\ndtoverlay=pcie-32bit-dma\n"),
            ),
            (
                "#dtoverlay=pcie-32bit-dma\n",
                Some("#dtoverlay=pcie-32bit-dma\ndtoverlay=pcie-32bit-dma\n"),
            ),
            (
                "dtoverlay=pcie-32bit-dma,x\n",
                Some("dtoverlay=pcie-32bit-dma,x\ndtoverlay=pcie-32bit-dma\n"),
            ),
        ];
        for (before, after) in rows {
            let with = with_device_tree(before.as_bytes()).unwrap();
            assert_eq!(with, after.unwrap_or(before).as_bytes(), "{before:?}");
            assert_eq!(with_device_tree(&with).unwrap(), with, "{before:?} again");
        }
        assert_eq!(with_device_tree(b"\xff"), None);
        assert_eq!(with_device_tree(&[b'#'; MOST + 1]), None);
    }
}
