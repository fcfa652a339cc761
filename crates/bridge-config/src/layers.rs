//! The HOCON sources as one resolved tree that still knows what came from where.

use std::collections::{BTreeMap, BTreeSet};

use hocon::resolver::{
    InternalResolveOptions, ResObj, ResolverValue, merge_unresolved, resolve_tree,
};
use hocon::{HoconError, HoconValue};

use crate::document::{Document, HoconFile};
use crate::error::{ConfigError, one_line};
use crate::legacy::{LegacyConnection, Overlay};
use crate::loader::REFERENCE;
use crate::value::show;

/// All sources, stacked.
pub(crate) struct Layers {
    resolved: HoconValue,
    file: Option<(String, ResObj)>,
    properties: ResObj,
    overlay: BTreeMap<String, Overlay>,
    legacy_connections: Vec<LegacyConnection>,
}

/// Who gave a value, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) file: String,
    pub(crate) key: String,
}

impl Layers {
    /// Stacks `file` on `properties` (names are paths) on the reference, and resolves all
    /// substitutions in the result; those that name nothing in it see `environment`.
    pub(crate) fn new(
        file: Option<HoconFile<'_>>,
        properties: &BTreeMap<String, String>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let tree = |file| Document::parse(file)?.into_tree(environment);
        let reference = tree(HoconFile::embedded("reference.conf", REFERENCE.to_owned()))?;
        let properties = properties_as_hocon(properties);
        let properties = tree(HoconFile::embedded(SYSTEM_PROPERTIES, properties))?;
        let mut stacked = merge_unresolved(properties.clone(), reference);
        let mut name = SYSTEM_PROPERTIES.to_owned();
        let mut main = None;
        if let Some(file) = file {
            name.clone_from(&file.name);
            let file = tree(file)?;
            stacked = merge_unresolved(file.clone(), stacked);
            main = Some((name.clone(), file));
        }
        let variables = environment.clone().into_iter().collect();
        let resolved = resolve_tree(stacked, &InternalResolveOptions::new(variables))
            .map_err(|error| syntax(&name, &HoconError::Resolve(error)))?;
        Ok(Self {
            resolved,
            file: main,
            properties,
            overlay: BTreeMap::new(),
            legacy_connections: Vec::new(),
        })
    }

    /// Puts legacy values over everything else.
    pub(crate) fn set_legacy(
        &mut self,
        overlay: BTreeMap<String, Overlay>,
        connections: Vec<LegacyConnection>,
    ) {
        self.overlay = overlay;
        self.legacy_connections = connections;
    }

    /// The XMPP connections in legacy form, complete or not.
    pub(crate) fn legacy_connections(&self) -> &[LegacyConnection] {
        &self.legacy_connections
    }

    /// The effective value; null counts as unset.
    pub(crate) fn value(&self, path: &str) -> Option<&HoconValue> {
        if let Some(overlay) = self.overlay.get(path) {
            return Some(&overlay.value);
        }
        let mut segments = path.split('.');
        let found = segments.try_fold(&self.resolved, |value, name| value.as_object()?.get(name));
        found.filter(|value| !value.is_null())
    }

    /// Who set `path`; `None` if only the reference did.
    pub(crate) fn origin(&self, path: &str) -> Option<Origin> {
        if let Some(overlay) = self.overlay.get(path) {
            return Some(overlay.origin.clone());
        }
        let file = match &self.file {
            Some((name, tree)) if reaches(tree, path) => name.clone(),
            _ if reaches(&self.properties, path) => SYSTEM_PROPERTIES.to_owned(),
            _ => return None,
        };
        Some(Origin { file, key: path.to_owned() })
    }

    /// The file in which a key that nobody set should be.
    pub(crate) fn main_file(&self) -> String {
        self.file.as_ref().map_or_else(|| "configuration".to_owned(), |(name, _)| name.clone())
    }

    /// The topmost keys that operators set, sorted.
    pub(crate) fn roots(&self) -> impl Iterator<Item = (&str, &HoconValue)> {
        let file = self.file.iter().flat_map(|(_, tree)| tree.fields.keys());
        let roots: BTreeSet<_> = file.chain(self.properties.fields.keys()).collect();
        let tree = self.resolved.as_object();
        roots.into_iter().filter_map(move |root| Some((root.as_str(), tree?.get(root)?)))
    }

    /// The error for the value at `path`, or for its absence.
    pub(crate) fn refuse(&self, path: &str, expected: &str) -> ConfigError {
        let expected = expected.to_owned();
        let Some(value) = self.value(path) else {
            return ConfigError::Missing { file: self.main_file(), key: path.to_owned(), expected };
        };
        // Without an origin the value is a default that was computed from another key's value.
        let origin = self.origin(path);
        let origin = origin.unwrap_or_else(|| Origin { file: self.main_file(), key: path.into() });
        let secret = path.to_ascii_lowercase().contains("password");
        ConfigError::Value {
            file: origin.file,
            key: origin.key,
            value: if secret { "<hidden>".to_owned() } else { show(value) },
            expected,
        }
    }
}

/// The parser's error as ours. It names included files in the path of a resolve error, and
/// otherwise there the substitution that failed.
pub(crate) fn syntax(name: &str, error: &HoconError) -> ConfigError {
    let (file, line, column, reason) = match error {
        HoconError::Parse(error) => (name, error.line, error.col, error.message.clone()),
        HoconError::Resolve(error) => {
            let included = error.path.contains('/') && !error.message.contains("substitution");
            let file = if included { error.path.as_str() } else { name };
            (file, error.line, error.col, error.message.clone())
        }
        other => (name, 1, 1, other.to_string()),
    };
    ConfigError::Syntax { file: file.to_owned(), line, column, reason: one_line(&reason) }
}

/// Whether `tree` says anything about `path`: it has a value there, or a substitution at it or
/// above it.
fn reaches(tree: &ResObj, path: &str) -> bool {
    let (head, rest) = path.split_once('.').unwrap_or((path, ""));
    match tree.fields.get(head) {
        Some(_) if rest.is_empty() => true,
        Some(ResolverValue::Obj(inner)) => reaches(inner, rest),
        Some(ResolverValue::Subst(_) | ResolverValue::Concat(_)) => true,
        _ => false,
    }
}

fn properties_as_hocon(properties: &BTreeMap<String, String>) -> String {
    let lines = properties.iter().map(|(path, value)| {
        let path: Vec<_> = path.split('.').map(quoted).collect();
        format!("{} = {}\n", path.join("."), quoted(value))
    });
    lines.collect()
}

/// A JSON string, which HOCON reads as JSON does.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// How system properties are called in messages.
pub(crate) const SYSTEM_PROPERTIES: &str = "system properties";
