"""What an agent can do in the world: tools that the service itself runs when a model asks for them."""

from agent.tools.mcp import McpServer, McpTool
from agent.tools.tool import Tool, ToolContext, ToolError, tool
from agent.tools.toolbox import Offer, Toolbox, results_of, rounds_of

__all__ = [
    "McpServer",
    "McpTool",
    "Offer",
    "Tool",
    "ToolContext",
    "ToolError",
    "Toolbox",
    "results_of",
    "rounds_of",
    "tool",
]
