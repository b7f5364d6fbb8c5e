"""A real EVPN fabric on one machine: FRR and Linux bridges in network namespaces, driven, captured and witnessed."""
