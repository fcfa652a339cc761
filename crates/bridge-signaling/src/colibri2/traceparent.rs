/// The tracing span that a request belongs to (W3C Trace Context). A bridge may ignore it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// 32 hex digits.
    pub trace_id: String,
    /// 16 hex digits.
    pub parent_id: String,
    /// Two hex digits.
    pub trace_flags: String,
}
