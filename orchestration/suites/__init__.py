"""Suites of expectations: learnt from the lake's history, written as YAML that people edit, shown as local pages."""
