"""What is generated from the models: the CRD and the pages of the reference."""
