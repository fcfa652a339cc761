//! The statistics in a bridge's presence: all that Jicofo knows of it before it uses it.

use xmpp_parsers::minidom::Element;

use crate::{ns, xml};

/// The `stats` extension with one `stat` for each name and value, in order.
pub fn stats<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Element
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let mut stats = Element::bare("stats", ns::COLIBRI);
    for (name, value) in pairs {
        let mut stat = Element::bare("stat", ns::COLIBRI);
        xml::set(&mut stat, "name", name.as_ref());
        xml::set(&mut stat, "value", value.as_ref());
        stats.append_child(stat);
    }
    stats
}

/// The names and values of a `stats` extension; `None` for another element. An entry that lacks
/// either is skipped.
pub fn pairs(element: &Element) -> Option<Vec<(&str, &str)>> {
    element.is("stats", ns::COLIBRI).then(|| {
        element
            .children()
            .filter(|stat| stat.is("stat", ns::COLIBRI))
            .filter_map(|stat| Some((stat.attr("name")?, stat.attr("value")?)))
            .collect()
    })
}
