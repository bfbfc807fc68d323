//! Which parameters a query may have, per range of microversions.

use serde_json::Value;

use super::{Schema, Strictness, Violation, check, texts};
use crate::http::query::Query;
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::python;

#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    pub name: &'static str,
    /// What each of its values must be like.
    pub schema: &'static Schema,
    /// May it be given more than once? If so, the last value counts.
    pub repeatable: bool,
}

impl Parameter {
    pub const fn single(name: &'static str, schema: &'static Schema) -> Self {
        Self {
            name,
            schema,
            repeatable: false,
        }
    }

    /// May be given any number of times.
    pub const fn repeatable(name: &'static str, schema: &'static Schema) -> Self {
        Self {
            name,
            schema,
            repeatable: true,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Edition {
    pub since: Microversion,
    /// All of them, in the order in which they are looked at.
    pub parameters: &'static [Parameter],
}

impl Edition {
    pub const fn new(since: Microversion, parameters: &'static [Parameter]) -> Self {
        Self { since, parameters }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct QuerySchema {
    /// Oldest first; the first one from the first version on.
    pub editions: &'static [Edition],
    /// From here on, unknown parameters are refused; before, they are dropped unseen.
    pub strict_since: Microversion,
    /// Are names that begin with an underscore let through to the handler?
    pub underscored: bool,
}

const UNDERSCORED: &str = "^_";

impl QuerySchema {
    pub const NONE: Self = Self::new(milestone::STRICT_QUERIES, &[]);

    /// Names that begin with an underscore are like all others.
    pub const fn new(strict_since: Microversion, editions: &'static [Edition]) -> Self {
        Self {
            editions,
            strict_since,
            underscored: false,
        }
    }

    pub fn parameters(&self, version: Microversion) -> &'static [Parameter] {
        let edition = self
            .editions
            .iter()
            .rfind(|edition| edition.since <= version);
        edition.map_or(&[], |edition| edition.parameters)
    }

    /// Looks for the first violation, and drops what may be there but shall not be seen.
    pub fn apply(
        &self,
        query: &mut Query,
        version: Microversion,
        strictness: Strictness,
    ) -> Result<(), Violation> {
        let parameters = self.parameters(version);
        if query.is_empty() {
            return Ok(());
        }
        for parameter in parameters {
            check_parameter(parameter, query)?;
        }
        let unknown = |name: &str| {
            !(parameters.iter().any(|known| known.name == name)
                || self.underscored && name.starts_with('_'))
        };
        if version < self.strict_since || strictness == Strictness::Lenient {
            query.strip(unknown);
            return Ok(());
        }
        let names = query
            .pairs()
            .map(|(name, _)| name)
            .filter(|name| unknown(name));
        let detail = if self.underscored {
            texts::matching_nothing(names, UNDERSCORED)
        } else {
            texts::unexpected(names)
        };
        detail.map_or(Ok(()), |detail| {
            let value = String::new();
            Err(Violation {
                attribute: None,
                value,
                detail,
            })
        })
    }
}

fn check_parameter(parameter: &Parameter, query: &Query) -> Result<(), Violation> {
    for value in query.all(parameter.name) {
        let value = Value::from(value);
        check(
            parameter.schema,
            &value,
            Some(parameter.name),
            Strictness::AsWritten,
        )?;
    }
    if !parameter.repeatable && query.all(parameter.name).nth(1).is_some() {
        let all = python::repr_list(query.all(parameter.name));
        return Err(Violation {
            attribute: Some(parameter.name.to_owned()),
            detail: texts::too_long(&all),
            value: all,
        });
    }
    Ok(())
}
