//! The attributes of a machine as lines of an environment file.

use pilotlight_core::model::Metadata;

/// Whose names the attributes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Afterburn's: `AFTERBURN_AWS_…`.
    Afterburn,
    /// Those that Flatcar has kept from Container Linux: `COREOS_EC2_…`.
    Flatcar,
}

/// Platforms that had other names then.
const FORMER: [(&str, &str); 2] = [("AWS_", "EC2_"), ("GCP_", "GCE_")];

/// The lines, sorted by name. Values are written so that systemd and shells read the same from them
/// (systemd.exec(5), `EnvironmentFile=`); Afterburn writes them as they are, so that a blank, a quotation mark or a
/// backslash in one is read as another value.
pub fn lines(said: &Metadata, names: Names) -> String {
    let text = said.attribute_lines();
    match names {
        Names::Afterburn => text,
        // A value has no end of line in it.
        Names::Flatcar => text.lines().map(flatcar).collect(),
    }
}

/// Only the name is changed: Flatcar's own unit runs sed over the whole file, which makes a machine `AWS-1` one
/// called `EC2-1`.
fn flatcar(line: &str) -> String {
    let rest = line.strip_prefix("AFTERBURN_").unwrap_or(line);
    let former = FORMER
        .iter()
        .find_map(|(name, former)| Some((former, rest.strip_prefix(name)?)));
    let (former, rest) = former.map_or(("", rest), |(former, rest)| (*former, rest));
    format!("COREOS_{former}{rest}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_others() {
        let mut said = Metadata::default();
        for (name, value) in [
            ("AWS_HOSTNAME", "AWS_GCP-AFTERBURN_AWS=1"),
            ("AZURE_VMSIZE", "AWS"),
            ("GCP_MACHINE_TYPE", "projects/GCP_1/x y"),
            ("HETZNER_AWS_X", "1"),
        ] {
            said.attribute(name, Some(value));
        }
        assert_eq!(
            lines(&said, Names::Afterburn),
            "AFTERBURN_AWS_HOSTNAME=\"AWS_GCP-AFTERBURN_AWS=1\"\nAFTERBURN_AZURE_VMSIZE=AWS\n\
             AFTERBURN_GCP_MACHINE_TYPE=\"projects/GCP_1/x y\"\nAFTERBURN_HETZNER_AWS_X=1\n"
        );
        assert_eq!(
            lines(&said, Names::Flatcar),
            "COREOS_EC2_HOSTNAME=\"AWS_GCP-AFTERBURN_AWS=1\"\nCOREOS_AZURE_VMSIZE=AWS\n\
             COREOS_GCE_MACHINE_TYPE=\"projects/GCP_1/x y\"\nCOREOS_HETZNER_AWS_X=1\n"
        );
        assert_eq!(lines(&Metadata::default(), Names::Flatcar), "");
    }
}
