use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::notice::{Notice, NoticeKind};

/// The file that is read if no other one is named.
pub const DEFAULT_CONFIG_FILE: &str = "/etc/jitsi/videobridge/jvb.conf";

/// Where the configuration comes from. Everything is injected, so that a test depends on nothing
/// but what it passes in.
#[derive(Clone, Default)]
pub struct Sources {
    config_file: Option<PathBuf>,
    environment: BTreeMap<String, String>,
    system_properties: BTreeMap<String, String>,
    notices: Vec<Notice>,
}

impl Sources {
    /// No file, no environment: loads the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `path` as jvb.conf; it is an error if that is not possible. Wins over the system
    /// property `config.file`.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.config_file = Some(path.into());
        self
    }

    /// The environment that substitutions such as `${?JVB_SECRET}` see.
    ///
    /// `JAVA_SYS_PROPS` in it is read as [`Sources::with_java_options`] does.
    #[must_use]
    pub fn with_environment(
        mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        self.environment.extend(variables);
        match self.environment.get(JAVA_OPTIONS_VARIABLE).cloned() {
            Some(options) => self.with_java_options(&options),
            None => self,
        }
    }

    /// Options of the Java start script, separated by white space: each `-Dname=value` becomes a
    /// system property (the first of a name stays), everything else a notice.
    #[must_use]
    pub fn with_java_options(mut self, options: &str) -> Self {
        for option in options.split_whitespace() {
            match option.strip_prefix("-D") {
                Some(property) => {
                    let (name, value) = property.split_once('=').unwrap_or((property, ""));
                    self.system_properties
                        .entry(name.to_owned())
                        .or_insert_with(|| value.to_owned());
                }
                None => self.notices.push(Notice::new(
                    NoticeKind::Ignored,
                    option,
                    JAVA_OPTIONS_VARIABLE,
                    "an option of the Java machine",
                )),
            }
        }
        self
    }

    /// The configuration file, if there is one: the explicit one, else `config.file`.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.config_file.clone().or_else(|| self.system_property("config.file").map(PathBuf::from))
    }

    /// Where the Java bridge looks for its logging levels (`java.util.logging.config.file`).
    pub fn logging_file(&self) -> Option<PathBuf> {
        self.system_property("java.util.logging.config.file").map(PathBuf::from)
    }

    /// `sip-communicator.properties` in the directory that the two `SC_HOME_DIR` variables or
    /// properties name. Both are needed.
    pub(crate) fn legacy_file(&self) -> Option<PathBuf> {
        let part = |name: &str| {
            let name = format!("net.java.sip.communicator.{name}");
            let value = self.environment.get(&name).map(String::as_str);
            value.or_else(|| self.system_property(&name)).filter(|part| !part.is_empty())
        };
        let directory = PathBuf::from(part("SC_HOME_DIR_LOCATION")?);
        Some(directory.join(part("SC_HOME_DIR_NAME")?).join("sip-communicator.properties"))
    }

    pub(crate) fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    pub(crate) fn system_properties(&self) -> &BTreeMap<String, String> {
        &self.system_properties
    }

    pub(crate) fn system_property(&self, name: &str) -> Option<&str> {
        self.system_properties.get(name).map(String::as_str)
    }

    pub(crate) fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

/// Shows names only: an environment holds secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("config_file", &self.config_file)
            .field("environment", &self.environment.keys())
            .field("system_properties", &self.system_properties.keys())
            .finish_non_exhaustive()
    }
}

/// The environment variable in which the packages hand over the Java options.
const JAVA_OPTIONS_VARIABLE: &str = "JAVA_SYS_PROPS";
