"""Configuration of the documentation: `make docs` builds it."""

import dataclasses

from docutils import nodes
from sphinx import addnodes

import rtb_envs

project = "rtb-envs"
author = "the rtb-envs contributors"
project_copyright = author
version = release = rtb_envs.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# Notebooks and pages with code cells are run when they hold no outputs; an error in one is an error of the build.
nb_execution_mode = "auto"
nb_execution_raise_on_error = True
nb_execution_timeout = 300

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {"ArrayLike": "ArrayLike"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 160
add_module_names = False
# Signatures name State and Params by their short names, which every environment has one of: such names stay unlinked.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = f"rtb-envs {release}"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sphinx = False

MOST_FIELDS_IN_SIGNATURE = 4


def class_signature(app, what, name, subject, options, signature, returned):
    """No signature for protocols, and none for long dataclasses: it would repeat the list of fields below it."""
    is_long = dataclasses.is_dataclass(subject) and len(dataclasses.fields(subject)) > MOST_FIELDS_IN_SIGNATURE
    return ("", None) if what == "class" and (is_long or getattr(subject, "_is_protocol", False)) else None


def shorten_array_types(app, doctree):
    """JAX's arrays by their public name, where jaxtyping spells out the module that they happen to be defined in."""
    for signature in doctree.findall(addnodes.desc_signature):
        for text in list(signature.findall(nodes.Text)):
            if "jaxlib._jax." in text:
                text.parent.replace(text, nodes.Text(text.replace("jaxlib._jax.", "")))


def setup(app):
    app.connect("autodoc-process-signature", class_signature)
    app.connect("doctree-read", shorten_array_types)
