DROP TABLE provider_traces;
