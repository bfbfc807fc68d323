//! libvirt's typed parameters: lists of (name, typed value).

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_int, c_uint};
use std::ptr;

use virt::error::Error;
use virt::sys;

/// A list under construction. libvirt allocates it, so libvirt frees it.
pub(crate) struct Params {
    list: sys::virTypedParameterPtr,
    length: c_int,
    capacity: c_int,
}

/// Calls one of libvirt's functions that append a value.
///
/// Safe with values that outlive the call: the three places belong to `$params` and describe a list
/// that libvirt made (or an empty one), and `$name` is a C string.
macro_rules! add {
    ($params:ident, $function:ident, $name:ident, $value:expr) => {
        sys::$function(
            &mut $params.list,
            &mut $params.length,
            &mut $params.capacity,
            $name.as_ptr(),
            $value,
        )
    };
}

impl Params {
    pub(crate) fn new() -> Self {
        // SAFETY: takes no arguments, and may be called by any thread and any number of times.
        // Without it libvirt has no place for the errors of the calls below. Opening a
        // connection does the same, but a list may be made before there is one.
        unsafe { sys::virInitialize() };
        Self {
            list: ptr::null_mut(),
            length: 0,
            capacity: 0,
        }
    }

    pub(crate) fn add_u64(&mut self, name: &CStr, value: u64) -> Result<(), Error> {
        // SAFETY: see `add!`.
        check(unsafe { add!(self, virTypedParamsAddULLong, name, value) })
    }

    pub(crate) fn add_int(&mut self, name: &CStr, value: i32) -> Result<(), Error> {
        // SAFETY: see `add!`.
        check(unsafe { add!(self, virTypedParamsAddInt, name, value) })
    }

    /// Appends a text, which libvirt copies.
    pub(crate) fn add_text(&mut self, name: &CStr, value: &str) -> Result<(), Error> {
        let value = CString::new(value)?;
        // SAFETY: see `add!`; `value` too outlives the call, and is copied by it.
        check(unsafe { add!(self, virTypedParamsAddString, name, value.as_ptr()) })
    }

    /// The list for a call that reads it.
    pub(super) fn as_raw(&mut self) -> (sys::virTypedParameterPtr, c_uint) {
        (self.list, self.length.unsigned_abs())
    }
}

impl Drop for Params {
    fn drop(&mut self) {
        // SAFETY: list and length came from libvirt's own `virTypedParamsAdd…`; a null list
        // of length 0 is allowed.
        unsafe { sys::virTypedParamsFree(self.list, self.length) }
    }
}

/// One value that libvirt gave.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Signed(i64),
    Unsigned(u64),
    Bool(bool),
    Text(String),
}

/// Values by name, copied out of libvirt's memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(BTreeMap<String, Value>);

impl Values {
    /// Copies `length` parameters from `list`.
    ///
    /// # Safety
    /// `list` must point to `length` parameters that libvirt has filled in, or `length` must
    /// not be positive.
    pub(super) unsafe fn copy(list: *const sys::virTypedParameter, length: c_int) -> Self {
        let length = usize::try_from(length).unwrap_or(0);
        if list.is_null() || length == 0 {
            return Self::default();
        }
        // SAFETY: not null, and the caller vouches for the length.
        let list = unsafe { std::slice::from_raw_parts(list, length) };
        let mut values = BTreeMap::new();
        for parameter in list {
            // SAFETY: libvirt ends every field name with a zero within its fixed array.
            let name = unsafe { CStr::from_ptr(parameter.field.as_ptr()) };
            // SAFETY: the caller vouches that libvirt filled the parameter in.
            if let Some(value) = unsafe { value_of(parameter) } {
                values.insert(name.to_string_lossy().into_owned(), value);
            }
        }
        Self(values)
    }

    /// A number that cannot be negative; a negative one counts as absent.
    pub(super) fn number(&self, name: &CStr) -> Option<u64> {
        match self.0.get(name.to_str().ok()?)? {
            Value::Signed(number) => u64::try_from(*number).ok(),
            Value::Unsigned(number) => Some(*number),
            Value::Bool(_) | Value::Text(_) => None,
        }
    }

    pub(super) fn text(&self, name: &CStr) -> Option<&str> {
        match self.0.get(name.to_str().ok()?)? {
            Value::Text(text) => Some(text),
            Value::Signed(_) | Value::Unsigned(_) | Value::Bool(_) => None,
        }
    }

    pub(super) fn flag(&self, name: &CStr) -> Option<bool> {
        match self.0.get(name.to_str().ok()?)? {
            Value::Bool(flag) => Some(*flag),
            Value::Signed(_) | Value::Unsigned(_) | Value::Text(_) => None,
        }
    }
}

/// The value of one parameter; `None` for a type that nobody asks for.
///
/// # Safety
/// libvirt must have filled `parameter` in, so that its type says which field of the union
/// is alive.
unsafe fn value_of(parameter: &sys::virTypedParameter) -> Option<Value> {
    let value = &parameter.value;
    // SAFETY: in each arm the type tag names the field that is read.
    unsafe {
        Some(match parameter.type_.unsigned_abs() {
            sys::VIR_TYPED_PARAM_INT => Value::Signed(value.i.into()),
            sys::VIR_TYPED_PARAM_UINT => Value::Unsigned(value.ui.into()),
            sys::VIR_TYPED_PARAM_LLONG => Value::Signed(value.l),
            sys::VIR_TYPED_PARAM_ULLONG => Value::Unsigned(value.ul),
            sys::VIR_TYPED_PARAM_BOOLEAN => Value::Bool(value.b != 0),
            sys::VIR_TYPED_PARAM_STRING if !value.s.is_null() => {
                Value::Text(CStr::from_ptr(value.s).to_string_lossy().into_owned())
            }
            _ => return None,
        })
    }
}

/// libvirt's convention: negative is an error, whose text the thread keeps.
pub(super) fn check(result: c_int) -> Result<(), Error> {
    if result < 0 {
        Err(Error::last_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut params = Params::new();
        params.add_u64(c"bandwidth", 7).unwrap();
        params.add_int(c"parallel.connections", 2).unwrap();
        params.add_text(c"migrate_uri", "tcp://192.0.2.1").unwrap();
        params.add_text(c"migrate_disks", "hda").unwrap();
        let (list, length) = params.as_raw();
        // SAFETY: list and length come from libvirt.
        let values = unsafe { Values::copy(list, c_int::try_from(length).unwrap()) };
        assert_eq!(values.number(c"bandwidth"), Some(7));
        assert_eq!(values.number(c"parallel.connections"), Some(2));
        assert_eq!(values.text(c"migrate_uri"), Some("tcp://192.0.2.1"));
        assert_eq!(values.number(c"migrate_uri"), None);
        assert_eq!(values.flag(c"absent"), None);
    }

    #[test]
    fn no_list_is_no_values() {
        // SAFETY: a length of 0 allows any pointer.
        let values = unsafe { Values::copy(ptr::null(), 0) };
        assert_eq!(values.number(c"time_elapsed"), None);
    }

    #[test]
    fn a_text_with_a_zero_inside_is_refused() {
        let mut params = Params::new();
        assert!(params.add_text(c"migrate_uri", "tcp://\0").is_err());
    }
}
