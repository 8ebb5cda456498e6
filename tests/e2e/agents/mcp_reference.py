"""A reference server with all that the conformance suite asks of one: at a port, or over pipes when none is named."""

import asyncio
import sys
import warnings

import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

warnings.simplefilter("ignore")  # logging, sampling and roots are on their way out of the protocol, and still in it

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="
NOTHING = {"type": "object", "properties": {}}
ADDRESS = {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}
MODERN = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": ADDRESS},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False,
}
DEFAULTS = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
OPTIONS = ["option1", "option2", "option3"]
TITLED = [{"const": f"value{number}", "title": f"Choice {number}"} for number in (1, 2, 3)]
ENUMS = {
    "untitledSingle": {"type": "string", "enum": OPTIONS},
    "titledSingle": {"type": "string", "oneOf": TITLED},
    "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]},
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
    "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
}
USER = {"username": {"type": "string", "description": "A name"}, "email": {"type": "string", "description": "Mail"}}


def text(words):
    return types.TextContent(type="text", text=words)


def image():
    return types.ImageContent(type="image", data=PNG, mime_type="image/png")


def embedded(uri, kind, words):
    found = types.TextResourceContents(uri=uri, mime_type=kind, text=words)
    return types.EmbeddedResource(type="resource", resource=found)


# ---------------------------------------------------------------------------------------------------------------- tools


async def with_logging(ctx, given):
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", words, related_request_id=ctx.request_id)
        await asyncio.sleep(0.05)  # the suite wants them apart
    return [text("logged")]


async def with_progress(ctx, given):
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100)
        await asyncio.sleep(0.05)
    return [text("done")]


async def sampling(ctx, given):
    asked = types.SamplingMessage(role="user", content=text(given["prompt"]))
    answer = await ctx.session.create_message([asked], max_tokens=100, related_request_id=ctx.request_id)
    return [text(f"LLM response: {answer.content.text}")]


def eliciting(words, properties, required=()):
    async def ask(ctx, given):
        schema = {"type": "object", "properties": properties, "required": list(required)}
        answer = await ctx.session.elicit_form(given.get("message", words), schema, related_request_id=ctx.request_id)
        return [text(f"Elicitation completed: action={answer.action}, content={answer.content}")]

    return ask


async def failing(ctx, given):
    raise ValueError("This tool intentionally returns an error for testing")


def fixed(*content):
    async def answer(ctx, given):
        return list(content)

    return answer


def needing(name):
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


MIXED = (
    text("Multiple content types test:"),
    image(),
    embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
)
TOOLS = {
    "test_simple_text": (NOTHING, fixed(text("This is a simple text response for testing."))),
    "test_image_content": (NOTHING, fixed(image())),
    "test_audio_content": (NOTHING, fixed(types.AudioContent(type="audio", data=WAV, mime_type="audio/wav"))),
    "test_embedded_resource": (
        NOTHING,
        fixed(embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")),
    ),
    "test_multiple_content_types": (NOTHING, fixed(*MIXED)),
    "test_tool_with_logging": (NOTHING, with_logging),
    "test_tool_with_progress": (NOTHING, with_progress),
    "test_error_handling": (NOTHING, failing),
    "test_sampling": (needing("prompt"), sampling),
    "test_elicitation": (needing("message"), eliciting("Who are you?", USER, USER)),
    "test_elicitation_sep1034_defaults": (NOTHING, eliciting("Is this right?", DEFAULTS)),
    "test_elicitation_sep1330_enums": (NOTHING, eliciting("Which ones?", ENUMS)),
    "json_schema_2020_12_tool": (MODERN, fixed(text("checked"))),
}


async def list_tools(ctx, params):
    named = [types.Tool(name=name, description=f"Tests {name}.", input_schema=TOOLS[name][0]) for name in TOOLS]
    return types.ListToolsResult(tools=named)


async def call_tool(ctx, params):
    try:
        return types.CallToolResult(content=await TOOLS[params.name][1](ctx, params.arguments or {}))
    except ValueError as error:
        return types.CallToolResult(content=[text(str(error))], is_error=True)


# ------------------------------------------------------------------------------------------------ resources and prompts

STATIC = ("test://static-text", "test://static-binary", "test://watched-resource")


async def list_resources(ctx, params):
    named = [types.Resource(uri=uri, name=uri, description=f"Tests {uri}.") for uri in STATIC]
    return types.ListResourcesResult(resources=named)


async def list_templates(ctx, params):
    made = types.ResourceTemplate(uri_template="test://template/{id}/data", name="template", description="By number.")
    return types.ListResourceTemplatesResult(resource_templates=[made])


async def read_resource(ctx, params):
    uri = params.uri
    found: types.BlobResourceContents | types.TextResourceContents
    if uri == "test://static-binary":
        found = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)
    elif uri.startswith("test://template/"):
        number = uri.split("/")[3]
        words = f'{{"id":"{number}","templateTest":true,"data":"Data for ID: {number}"}}'
        found = types.TextResourceContents(uri=uri, mime_type="application/json", text=words)
    else:
        words = "This is the content of the static text resource."
        found = types.TextResourceContents(uri=uri, mime_type="text/plain", text=words)
    return types.ReadResourceResult(contents=[found])


async def nothing(ctx, params):
    return types.EmptyResult()


PROMPTS = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
}


async def list_prompts(ctx, params):
    named = [
        types.Prompt(
            name=name,
            description=f"Tests {name}.",
            arguments=[types.PromptArgument(name=each, description="Some text.", required=True) for each in wanted],
        )
        for name, wanted in PROMPTS.items()
    ]
    return types.ListPromptsResult(prompts=named)


async def get_prompt(ctx, params):
    given = params.arguments or {}
    if params.name == "test_simple_prompt":
        said = [text("This is a simple prompt for testing.")]
    elif params.name == "test_prompt_with_arguments":
        said = [text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'")]
    elif params.name == "test_prompt_with_image":
        said = [image(), text("Please analyze the image above.")]
    else:
        words = "Embedded resource content for testing."
        said = [
            embedded(given["resourceUri"], "text/plain", words),
            text("Please process the embedded resource above."),
        ]
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=each) for each in said])


async def complete(ctx, params):
    return types.CompleteResult(completion=types.Completion(values=["paris", "park"], total=2, has_more=False))


server = Server(
    "reference",
    version="1",
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    on_list_resources=list_resources,
    on_list_resource_templates=list_templates,
    on_read_resource=read_resource,
    on_subscribe_resource=nothing,
    on_unsubscribe_resource=nothing,
    on_list_prompts=list_prompts,
    on_get_prompt=get_prompt,
    on_completion=complete,
    on_set_logging_level=nothing,
)


async def speak():
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    if sys.argv[1:]:
        uvicorn.run(server.streamable_http_app(), port=int(sys.argv[1]), log_level="warning")
    else:
        asyncio.run(speak())
