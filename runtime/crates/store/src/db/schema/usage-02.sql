-- What was used in a span of time, whoever used it: today's sums at each start, all tenants' listings, and what goes after its time.
CREATE INDEX usage_by_start ON usage (span, start);
