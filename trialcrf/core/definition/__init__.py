"""Study definitions: their shape (`model`) and how raw data becomes one or a list of problems (`load`)."""
