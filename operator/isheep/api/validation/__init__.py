"""The validation rules that field types cannot express, each written once, in CEL."""
