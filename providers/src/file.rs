//! `file`: the config that `IGNITION_CONFIG_FILE` names, else `config.ign` in the working directory.

use crate::{Host, HostError, UserConfig};

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    let name = host
        .variable("IGNITION_CONFIG_FILE")
        .unwrap_or_else(|| "config.ign".into());
    match host.read_file(&name)? {
        Some(bytes) => Ok(Some(UserConfig { name, bytes })),
        // Whoever chose this platform has named a file: its absence is a mistake, not "no config".
        None => Err(HostError::Broken(format!(
            "the config file {name} does not exist"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    #[test]
    fn the_environment_names_the_file() {
        let host = Transcript {
            variables: vec![("IGNITION_CONFIG_FILE", "/x/my.ign")],
            files: vec![("/x/my.ign", "{}"), ("config.ign", "[]")],
            ..Transcript::default()
        };
        let found = now(user_config(&host)).unwrap().unwrap();
        assert_eq!(
            (found.name.as_str(), found.bytes.as_slice()),
            ("/x/my.ign", &b"{}"[..])
        );
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let error = now(user_config(&Transcript::default())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the config file config.ign does not exist"
        );
    }
}
