-- Where the request that asked for an effect stands in its trace, in W3C's form: whoever performs the
-- effect goes on from there. Null where nobody traces, and of what no request asked for itself: that
-- belongs to the trace of its migration's first effect.
ALTER TABLE effects ADD COLUMN trace_parent TEXT;
